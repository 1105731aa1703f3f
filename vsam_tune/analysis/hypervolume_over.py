"""How the hypervolume of a study grew: over finished trials, epochs, and hours."""

from collections.abc import Iterable, Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from vsam_tune.analysis import pareto
from vsam_tune.analysis.results import FINISHED, StudyResult, TrialRecord

_HOUR = 3600.0


class VolumePoint(TypedDict):
    """The hypervolume after a trial finished.

    Attributes:
        trials: finished ones so far, as the budget counts them: complete or pruned.
        epochs: of all trials that have ended so far, failed ones included.
        hours: of wall-clock so far in which a trial ran.
        hypervolume: in the product of the objectives' units.
    """

    trials: int
    epochs: int
    hours: float
    hypervolume: float


def hypervolume_over(result: StudyResult) -> list[VolumePoint]:
    """Return the hypervolume after each finished trial, from the effective reference point.

    Trials count in the order in which they ended, then by number. Epochs count when their trial ends, also those of
    trials without values.

    choice: time in which no trial ran is left out of the hours, since a search may continue days later. The pause of a
    trial that was interrupted, or that waited at a rung and went on, counts: only its first start is stored.

    Args:
        result: of a study. A trial whose start is unknown counts as the first to end, after 0 hours.

    Returns:
        One point for each finished trial; the hypervolume never falls.
    """
    ended = sorted(
        (trial for trial in result.trials if trial.has_ended), key=lambda trial: (_moments(trial)[1], trial.number)
    )
    finished = np.array([trial.state in FINISHED for trial in ended], dtype=np.bool_)
    hours = _busy_seconds(result.trials, [_moments(trial)[1] for trial in ended]) / _HOUR
    epochs = np.cumsum([trial.epochs for trial in ended])
    rows = zip(epochs[finished].tolist(), hours[finished].tolist(), _volumes(result, ended)[finished], strict=True)
    return [
        VolumePoint(trials=count, epochs=epoch, hours=hour, hypervolume=float(volume))
        for count, (epoch, hour, volume) in enumerate(rows, start=1)
    ]


def _moments(trial: TrialRecord) -> tuple[float, float]:
    """Return when a trial started and when it ended, was paused, or now while it runs, in seconds since 1970."""
    if trial.started is None:
        return 0.0, 0.0
    start = trial.started.timestamp()
    if trial.paused is not None:
        return start, max(start, trial.rungs.get(trial.paused, {}).get("time", start))
    return start, start + max(0.0, trial.seconds or 0.0)  # a clock may have been set back


def _busy_seconds(trials: Iterable[TrialRecord], moments: Sequence[float]) -> NDArray[np.float64]:
    """Return for each moment how many seconds before it had a running trial.

    Args:
        trials: in any state.
        moments: (n,) seconds since 1970.

    Returns:
        (n,) float64.
    """
    spans = np.array(sorted(_moments(trial) for trial in trials), dtype=np.float64).reshape(-1, 2)
    if len(spans) == 0:
        return np.zeros(len(moments))
    # From one start to the next, some trial runs until the latest end of all that started, or until the next start.
    latest = np.maximum.accumulate(spans[:, 1])
    until_next = np.minimum(latest[:-1], spans[1:, 0]) - spans[:-1, 0]
    before = np.concatenate([[0.0], np.cumsum(until_next)])
    index = np.searchsorted(spans[:, 0], moments, side="right") - 1
    seconds: NDArray[np.float64] = before[index] + np.minimum(latest[index], moments) - spans[index, 0]
    return seconds


def _volumes(result: StudyResult, trials: Sequence[TrialRecord]) -> NDArray[np.float64]:
    """Return the hypervolume after each trial, (n,) float64; only a trial that joins the front costs a computation."""
    corner = result.effective_reference_point()
    if corner is None:
        return np.zeros(len(trials))
    corner_losses = [each.sign * corner[each.name] for each in result.objectives]
    candidates = np.array([trial.may_join_front for trial in trials], dtype=np.bool_)
    losses = result.losses(trial for trial in trials if trial.may_join_front)
    grown, front, volume = [0.0], np.empty((0, len(corner_losses))), 0.0
    for row in losses:
        if not (front <= row).all(axis=1).any():
            front = np.vstack([front[~(row <= front).all(axis=1)], row])
            volume = max(volume, pareto.hypervolume(front, corner_losses))
        grown.append(volume)
    return np.array(grown, dtype=np.float64)[np.cumsum(candidates)]
