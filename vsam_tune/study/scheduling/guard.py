"""The guard of the rungs: a rung stops trials only while its rule would have kept the front of those that finished.

Early stopping may cost a study most of its front: the accuracy of a network that has not yet learnt the wrong labels by
heart says nothing about the end. Nobody knows that before; the trials that have finished show it.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsam_tune.analysis import pareto
from vsam_tune.analysis.results import TrialRecord
from vsam_tune.analysis.rung_correlation import rung_correlation
from vsam_tune.study.scheduling.rungs import Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the trials that have finished say about the rule of a rung.

    Attributes:
        finished: how many of them were compared at the rung.
        loss: the part of their hypervolume, in [0, 1], that the rule would have lost.
        lost: the numbers of the trials on their front that it would have stopped.
        tau: Kendall's tau between an objective at the rung and at the end, by name; None where it is not defined.
    """

    finished: int
    loss: float
    lost: tuple[int, ...]
    tau: dict[str, float | None]

    def as_json(self) -> dict[str, Any]:
        """Return the object that a decision holds."""
        return {**asdict(self), "lost": list(self.lost)}


def judge(trials: Sequence[TrialRecord], epoch: int, comparison: Comparison, *, audit: float) -> Verdict:
    """Replay the rule of a rung over the trials that have finished.

    All of them are ranked at once by their rows at the rung, and the first ceil(m / eta) are kept. A trial that went on
    as an audit stands for 1 / audit trials, since that many like it were stopped. A trial without a row that can be
    compared is kept.

    choice: the hypervolume is measured from the reference point of the finished trials, whatever the study's own is:
    from a point that is far away, no loss would ever look large.

    Args:
        trials: complete and feasible, with their rungs.
        epoch: the rung.
        comparison: the rule.
        audit: the share of the trials to be stopped that go on, in (0, 1]; 0 where there are no audits.

    Returns:
        What the rule would have lost.
    """
    rung = {trial.number: trial.rungs[epoch] for trial in trials if epoch in trial.rungs}
    ranked = list(comparison.ranked(rung))
    weights = {trial.number: _weight(trial, audit) for trial in trials if trial.number in rung}
    room = math.ceil(sum(weights.values()) / comparison.reduction_factor - 1e-9)  # sums of 1 / audit are not exact
    before = np.cumsum([0.0, *(weights[number] for number in ranked)])[:-1]
    stopped = {number for number, ahead in zip(ranked, before, strict=True) if ahead >= room}
    losses = _losses(trials, comparison)
    on_front = pareto.front(losses) if len(losses) else np.zeros(0, dtype=np.bool_)
    return Verdict(
        finished=len(ranked),
        loss=_lost_share(losses, np.array([trial.number not in stopped for trial in trials], dtype=np.bool_)),
        lost=tuple(
            trial.number for trial, best in zip(trials, on_front, strict=True) if best and trial.number in stopped
        ),
        tau=rung_correlation(trials, epoch, [each.name for each in comparison.objectives])["tau"],
    )


def is_audited(seed: int, number: int, share: float) -> bool:
    """Return whether a trial goes on as an audit, should a rung want to stop it; the same at every rung and start."""
    return random.Random(f"audit {seed} {number}").random() < share  # noqa: S311 - no secret


def _weight(trial: TrialRecord, audit: float) -> float:
    audited = any(decision.get("spared") == "audit" for decision in trial.decisions.values())
    return 1 / audit if audited and audit else 1.0


def _losses(trials: Sequence[TrialRecord], comparison: Comparison) -> NDArray[np.float64]:
    rows = [[each.sign * trial.values[each.name] for each in comparison.objectives] for trial in trials]
    return np.array(rows, dtype=np.float64).reshape(-1, len(comparison.objectives))


def _lost_share(losses: NDArray[np.float64], kept: NDArray[np.bool_]) -> float:
    if not len(losses):
        return 0.0
    corner = pareto.reference_point(losses)
    whole = pareto.hypervolume(losses, corner)
    return max(0.0, 1 - pareto.hypervolume(losses[kept], corner) / whole)
