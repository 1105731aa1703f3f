"""Racing: a further replicate of a trial is trained only while the trial may still be on the front."""

from collections.abc import Mapping
from dataclasses import replace

from optuna.trial import Trial

from vsam_tune.analysis.results import StudyResult
from vsam_tune.study.storage.study_storage import StudyStorage


class Racing:
    """Decides at the end of each replicate of a trial whether the next one is trained.

    Args:
        storage: holds the trials to compare with, and all decisions, also those of former drivers.
    """

    def __init__(self, storage: StudyStorage) -> None:
        self._storage = storage

    def advances(self, trial: Trial, metrics: Mapping[str, float]) -> bool:
        """Return whether the next replicate is trained; a trial that asks again gets the same answer.

        Args:
            trial: a running one.
            metrics: means over its `replicates` so far, with their errors.
        """
        done = f"{metrics['replicates']:.0f}"
        races: dict[str, str] = trial.user_attrs.get("races", {})
        if done not in races:
            out = not may_reach_front(self._storage.result(), trial.number, metrics)
            reason = f"raced out after replicate {done}: dominated beyond noise" if out else ""
            races = {**races, done: reason}
            self._storage.annotate(trial, races=races)
        return not races[done]


def may_reach_front(result: StudyResult, number: int, metrics: Mapping[str, float]) -> bool:
    """Return whether a trial would be on the front, or noise could not exclude it, if it completed with these metrics.

    Args:
        result: all trials so far.
        number: of the running trial.
        metrics: its means so far, with their errors. Without a finite value of each objective nothing is known yet, so
            the trial may still reach the front.
    """
    names = [each.name for each in result.objectives]
    if not all(name in metrics for name in names):
        return True
    values = {name: metrics[name] for name in names}
    completed = replace(result.trials[number], state="complete", values=values, metrics=dict(metrics))
    others = [each for each in result.trials if each.number != number]
    there = replace(result, trials=(*others, completed))
    return completed in (*there.front(), *there.possibly_optimal())
