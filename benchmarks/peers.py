"""The sharpness-aware optimizers of pytorch-optimizer (kozistr), used as in their documentation.

Every gradient evaluation calls the loss once, so the calls count the evaluations.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from pytorch_optimizer import GSAM, SAM, FriendlySAM, LookSAM
from pytorch_optimizer.lr_scheduler.proportion import ProportionScheduler
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import LambdaLR

from benchmarks.rounds import Taken
from vsam_tune.data.loader import Batch

RHO = 0.05  # as in this project

Take = Callable[[Batch], Taken]


@dataclass(slots=True)
class CountedLoss:
    """The mean cross-entropy.

    Attributes:
        calls: number of calls.
    """

    calls: int = field(default=0, init=False)

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss, 0-d, of (B, K) logits."""
        self.calls += 1
        return cross_entropy(logits, labels)


def _driven(
    optimizer: Any,  # noqa: ANN401 - they share no type with a `step` of a closure
    model: nn.Module,
    step: Callable[[Callable[[], Tensor]], None],
    sampled: Callable[[], bool] = lambda: True,
) -> Take:
    """Return a function that calls `step` with a closure that clears the gradients and runs forward and backward."""
    loss_function = CountedLoss()

    def take(batch: Batch) -> Taken:
        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = loss_function(model(batch.x), batch.y)
            loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
            return loss

        before, is_sampled = loss_function.calls, sampled()
        step(closure)
        return Taken(sampled=is_sampled, evaluations=float(loss_function.calls - before))

    return take


def sam(model: nn.Module, base: dict[str, Any], *, adaptive: bool = False) -> Take:
    """Return SAM in the form of davda54/sam; `adaptive` is its form of ASAM."""
    optimizer = SAM(model.parameters(), torch.optim.SGD, rho=RHO, adaptive=adaptive, **base)
    return _driven(optimizer, model, lambda closure: _documented(optimizer, closure))


def friendly_sam(model: nn.Module, base: dict[str, Any]) -> Take:
    """Return F-SAM."""
    optimizer = FriendlySAM(model.parameters(), torch.optim.SGD, rho=RHO, **base)
    return _driven(optimizer, model, lambda closure: _documented(optimizer, closure))


def looksam_documented(model: nn.Module, base: dict[str, Any]) -> Take:
    """Return LookSAM-5 as documented: the closure runs twice in every iteration, so it saves nothing."""
    optimizer = LookSAM(model.parameters(), torch.optim.SGD, rho=RHO, k=5, **base)
    return _driven(optimizer, model, lambda closure: _documented(optimizer, closure), lambda: _refreshes(optimizer))


def looksam(model: nn.Module, base: dict[str, Any]) -> Take:
    """Return the fastest LookSAM-5: two half steps, with a second gradient only if the first step perturbed."""
    optimizer = LookSAM(model.parameters(), torch.optim.SGD, rho=RHO, k=5, **base)

    def step(closure: Callable[[], Tensor]) -> None:
        refreshes = _refreshes(optimizer)
        closure()
        optimizer.first_step()
        if refreshes:
            closure()
        optimizer.second_step()

    return _driven(optimizer, model, step, lambda: _refreshes(optimizer))


def gsam(model: nn.Module, base: dict[str, Any]) -> Take:
    """Return GSAM, which makes its closure from model and loss."""
    inner = torch.optim.SGD(model.parameters(), **base)
    constant = LambdaLR(inner, lambda _: 1.0)
    radius = ProportionScheduler(constant, max_lr=base["lr"], max_value=RHO, min_value=0.0)
    optimizer, loss_function = GSAM(model.parameters(), inner, model, radius), CountedLoss()

    def take(batch: Batch) -> Taken:
        before = loss_function.calls
        optimizer.set_closure(loss_function, batch.x, batch.y)  # type: ignore[arg-type] # only calls it
        optimizer.step()
        return Taken(sampled=True, evaluations=float(loss_function.calls - before))

    return take


def _documented(optimizer: Any, closure: Callable[[], Tensor]) -> None:  # noqa: ANN401 - as above
    closure()
    optimizer.step(closure)


def _refreshes(optimizer: LookSAM) -> bool:
    return bool(optimizer.get_step() % optimizer.k == 0)  # type: ignore[no-untyped-call] # as it is
