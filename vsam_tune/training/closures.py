"""The closures that an optimizer calls for the gradients of one batch: loss, loss term, precision, micro-batches."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_

from vsam_tune.data.loader import Batch
from vsam_tune.loss_terms.loss_term import LossTerm
from vsam_tune.optimizers.wrapper import Wrapper


class Closures:
    """Makes the closure of each batch, of the kind that the optimizer's `sample_losses` asks for.

    Every method trains on the mean of the same sample losses, so that trajectories which are equal in theory are equal
    bit for bit. Nothing is read from the device.

    Args:
        model: the network.
        optimizer: that calls the closures.
        loss_term: added to the mean loss; None for none.
        precision: of the forward passes; "bfloat16" by autocast, weights and losses stay float32.
        micro_batches: parts of a batch that run one after the other; their gradients are added up. Batch norm sees each
            part alone; without batch norm the gradient is the whole batch's.
        max_gradient_norm: limit of the gradient that the optimizer descends along; None for no clipping.
        label_smoothing: of the targets of every sample loss, as torch's cross-entropy takes it.
        compiled: whether torch compiles the network.

    Attributes:
        penalty: 0-d, added by the loss term in the last pass; None if it added nothing.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Wrapper,
        *,
        loss_term: LossTerm | None = None,
        precision: str = "float32",
        micro_batches: int = 1,
        max_gradient_norm: float | None = None,
        label_smoothing: float = 0.0,
        compiled: bool = False,
    ) -> None:
        self.loss_term = loss_term
        self.penalty: Tensor | None = None
        self._parameters, self._optimizer = list(model.parameters()), optimizer
        self._forward: Callable[[Tensor], Tensor] = torch.compile(model) if compiled else model
        self._bfloat16, self._micro_batches = precision == "bfloat16", micro_batches
        self._max_gradient_norm, self._label_smoothing = max_gradient_norm, label_smoothing
        if max_gradient_norm is not None:
            optimizer.before_update(self._clip)  # after the last of several passes

    def closure(self, batch: Batch, *, epoch: int) -> Callable[..., Tensor]:
        """Return the closure of one batch.

        Args:
            batch: on the model's device.
            epoch: epochs done, from 0, for the loss term.
        """
        if self._optimizer.sample_losses:
            return self._sample_losses(batch)
        return self._backward(batch, epoch)

    def _backward(self, batch: Batch, epoch: int) -> Callable[[], Tensor]:
        """Return the closure that sets the gradient and returns the mean loss without the loss term."""

        def closure() -> Tensor:
            self._optimizer.zero_grad(set_to_none=True)
            self.penalty = None
            losses = [self._pass(part, epoch, len(part.y) / len(batch.y)) for part in self._parts(batch)]
            return sum(losses)  # type: ignore[return-value] # a batch has at least one part

        return closure

    def _pass(self, part: Batch, epoch: int, share: float) -> Tensor:
        """Add the gradient of a part of the batch, times its share; return its mean loss times its share."""
        logits = self._logits(part.x)
        loss = total = share * self._losses(logits, part.y).mean()
        if self.loss_term is not None:
            with self._precision(part.x):
                penalty = self.loss_term(logits, part.x, part.index, epoch=epoch)
            if penalty is not None:
                total = loss + share * penalty
                self.penalty = share * penalty.detach() + (0.0 if self.penalty is None else self.penalty)
        total.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        return loss.detach()

    def _sample_losses(self, batch: Batch) -> Callable[[Tensor | None], Tensor]:
        """Return the closure that runs forward on some samples of the batch and returns their losses."""

        def closure(samples: Tensor | None = None) -> Tensor:
            x, y = (batch.x, batch.y) if samples is None else (batch.x[samples], batch.y[samples])
            return self._losses(self._logits(x), y)

        return closure

    def _parts(self, batch: Batch) -> list[Batch]:
        if self._micro_batches == 1:
            return [batch]
        columns = (column.tensor_split(self._micro_batches) for column in batch)
        return [Batch(*part) for part in zip(*columns, strict=True) if len(part[0])]

    def _losses(self, logits: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(logits, y, reduction="none", label_smoothing=self._label_smoothing)

    def _logits(self, x: Tensor) -> Tensor:
        with self._precision(x):
            logits = self._forward(x)
        return logits.float() if self._bfloat16 else logits

    def _precision(self, x: Tensor) -> AbstractContextManager[None]:
        return torch.autocast(x.device.type, torch.bfloat16) if self._bfloat16 else nullcontext()

    def _clip(self) -> None:
        norm = self._max_gradient_norm
        if norm is not None:
            clip_grad_norm_(self._parameters, norm, foreach=True)
