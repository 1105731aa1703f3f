"""The contenders: torch's SGD and bare passes, the methods of this project, and those of pytorch-optimizer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from benchmarks import peers
from benchmarks.ideal import Ideal, linear, passes
from benchmarks.method_iterations import BASE, Take, pinned_vsam, start
from benchmarks.rounds import Taken
from vsam_tune.data.loader import Batch
from vsam_tune.registry.methods import METHODS


@dataclass(frozen=True, kw_only=True, slots=True)
class Contender:
    """One row of the table.

    Attributes:
        title: in the table.
        start: makes the optimizer for a network in training mode, and returns the function that takes an iteration.
        ideal: the ideal cost of an iteration; None for a row without a goal.
        peer: key of the other implementation in the comparison; empty for none.
        memory: its state in addition to SGD's, from METHODS; empty if it has no entry there.
        memory_format: of the network and the images.
    """

    title: str
    start: Callable[[nn.Module], Take]
    ideal: Ideal | None = None
    peer: str = ""
    memory: str = ""
    memory_format: torch.memory_format = torch.channels_last


def contenders(*, interval: int) -> dict[str, Contender]:
    """Return all contenders by key.

    Args:
        interval: vSAM samples one in so many iterations, >= 2; its rate never adapts.
    """
    esam = METHODS["esam"].hyperparameters
    swp_keep, sds_keep = (float(esam[name].default) for name in ("swp_keep", "sds_keep"))
    at_once = {"start_epoch": -1}  # the term from the first iteration on
    return {
        "sgd": Contender(title="SGD, torch", start=_sgd, ideal=passes(1), memory="0"),
        "evaluation": Contender(title="forward and backward", start=_evaluation),
        "forward": Contender(title="forward, no gradient", start=_forward),
        "sam": _ours("SAM", "sam", passes(2), peer="peer_sam"),
        "sam_5": _ours("SAM-5", "sam_5", linear),
        "looksam": _ours("LookSAM-5", "looksam", linear, peer="peer_looksam"),
        "esam": _ours("ESAM", "esam", passes(2 / 3 + swp_keep / 3 + sds_keep, forwards=1)),
        "vsam": _ours(f"vSAM, 1 in {interval}", "vsam", linear, settings=pinned_vsam(interval)),
        "saf": _ours("SAF", "saf", passes(1), settings=at_once),
        "mesa": _ours("MESA", "mesa", passes(1, forwards=1), settings=at_once),
        "ae_sam": _ours("AE-SAM", "ae_sam", linear),
        "msam": _ours("MSAM", "msam", passes(1)),
        "sam_on": _ours("SAM-ON", "sam_on", passes(5 / 3)),
        "gsam": _ours("GSAM", "gsam", passes(2), peer="peer_gsam"),
        "fsam": _ours("F-SAM", "fsam", passes(2), peer="peer_fsam"),
        "asam": _ours("ASAM", "asam", passes(2), peer="peer_asam"),
        "peer_sam": _peer("SAM", peers.sam, passes(2)),
        "peer_looksam": _peer("LookSAM-5, by half steps", peers.looksam, linear),
        "peer_looksam_step": _peer("LookSAM-5, as documented", peers.looksam_documented, linear),
        "peer_gsam": _peer("GSAM", peers.gsam, passes(2)),
        "peer_fsam": _peer("F-SAM", peers.friendly_sam, passes(2)),
        "peer_asam": _peer("ASAM", lambda model, base: peers.sam(model, base, adaptive=True), passes(2)),
    }


def _ours(
    title: str, name: str, ideal: Ideal, *, peer: str = "", settings: Mapping[str, Any] = MappingProxyType({})
) -> Contender:
    return Contender(
        title=title,
        start=lambda model: start({"name": name, **settings}, model),
        ideal=ideal,
        peer=peer,
        memory=METHODS[name].memory,
    )


def _peer(title: str, drive: Callable[[nn.Module, dict[str, Any]], Take], ideal: Ideal) -> Contender:
    return Contender(title=f"pytorch-optimizer: {title}", start=lambda model: drive(model, BASE), ideal=ideal)


def _sgd(model: nn.Module) -> Take:
    """Return the plain loop of PyTorch."""
    optimizer = torch.optim.SGD(model.parameters(), **BASE)

    def take(batch: Batch) -> Taken:
        optimizer.zero_grad()
        loss = cross_entropy(model(batch.x), batch.y)
        loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        optimizer.step()
        return Taken(sampled=False, evaluations=1.0)

    return take


def _evaluation(model: nn.Module) -> Take:
    def take(batch: Batch) -> Taken:
        model.zero_grad()
        cross_entropy(model(batch.x), batch.y).backward()  # type: ignore[no-untyped-call] # as above
        return Taken(sampled=False, evaluations=1.0)

    return take


def _forward(model: nn.Module) -> Take:
    @torch.no_grad()
    def take(batch: Batch) -> Taken:
        cross_entropy(model(batch.x), batch.y)
        return Taken(sampled=False, evaluations=0.0)

    return take
