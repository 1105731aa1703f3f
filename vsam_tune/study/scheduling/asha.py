"""ASHA, asynchronous successive halving (Li et al. 2020), on one objective or on several.

Ray's `ASHAScheduler` is not used: it takes one metric, loses its rungs with the driver, compares with earlier trials
only, and rounding may lose its top rung. No scheduler of Ray takes several metrics (docs/search.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice

from typing_extensions import override

from vsam_tune.analysis.results import TrialRecord
from vsam_tune.study.file.sections import Guard
from vsam_tune.study.scheduling.arrivals import Arrival
from vsam_tune.study.scheduling.guard import Verdict, is_audited, judge
from vsam_tune.study.scheduling.racing import Racing
from vsam_tune.study.scheduling.rungs import Comparison, Decision, Rung
from vsam_tune.study.scheduling.searcher import OptunaSearcher
from vsam_tune.study.scheduling.trial_scheduler import StudyScheduler
from vsam_tune.study.storage.study_storage import StudyStorage


class Asha(StudyScheduler):
    """Stops a trial at a rung unless it is among the best 1/eta of those that have reached it so far.

    With a guard, a rung stops nobody before enough trials have finished, nor while the replay of its rule over them
    loses too much of their hypervolume.

    Args:
        storage: as for `StudyScheduler`.
        searcher: as for `StudyScheduler`.
        comparison: of the trials at a rung.
        rungs: epochs, ascending.
        guard: of the rungs; None for plain ASHA.
        seed: of the draw of the audits.
        racing: as for `StudyScheduler`.
    """

    def __init__(
        self,
        storage: StudyStorage,
        searcher: OptunaSearcher,
        *,
        comparison: Comparison,
        rungs: Sequence[int],
        guard: Guard | None = None,
        seed: int = 0,
        racing: Racing | None = None,
    ) -> None:
        super().__init__(storage, searcher, rungs=rungs, racing=racing)
        self._comparison, self._guard, self._seed = comparison, guard, seed
        self._finished: list[TrialRecord] = []  # complete and feasible, in the order in which they ended
        self._num_read = 0  # of the searcher's complete trials
        self._verdicts: dict[tuple[int, int], Verdict] = {}  # by rung and number of finished trials
        self._ordered: dict[int, tuple[tuple[int, int], list[int]]] = {}  # the best trials of a rung, and what for

    @override
    def is_comparable(self, arrival: Arrival) -> bool:
        """Return whether all objectives are there, or one is missing for no good reason."""
        return not self.lacking(arrival) or "unreliable_reason" not in arrival.report

    @override
    def lacking(self, arrival: Arrival) -> str:
        return ", ".join(self._comparison.lacking(arrival.metrics))

    @override
    def decide(self, rung: Rung, epoch: int, number: int) -> Decision:
        return self._guarded(self._comparison.stopping(rung, number), epoch, number)

    def _guarded(self, decision: Decision, epoch: int, number: int) -> Decision:
        """Return the decision as the guard has it: a trial that is to be stopped may be spared."""
        if self._guard is None or decision.passes or decision.rank is None:
            return decision
        verdict = self.verdict(epoch)
        decision = replace(decision, verdict={**verdict.as_json(), "in_force": self._in_force(verdict)})
        if number < self._guard.trials:
            return replace(decision, passes=True, spared="first")
        if not self._in_force(verdict):
            return replace(decision, passes=True, spared="rung off")
        if is_audited(self._seed, number, self._guard.audit):
            return replace(decision, passes=True, spared="audit")
        return decision

    def verdict(self, epoch: int) -> Verdict:
        """Return what the trials that have finished so far say about a rung."""
        for number in self._searcher.completed[self._num_read :]:
            record = self._storage.record(number)
            self._finished += [record] if record.feasible else []
        self._num_read = len(self._searcher.completed)
        key = (epoch, len(self._finished))
        if key not in self._verdicts:
            audit = self._guard.audit if self._guard else 0.0
            self._verdicts = {known: verdict for known, verdict in self._verdicts.items() if known[1] == key[1]}
            self._verdicts[key] = judge(self._finished, epoch, self._comparison, audit=audit)
        return self._verdicts[key]

    def _in_force(self, verdict: Verdict) -> bool:
        return self._guard is None or self._guard.allows(verdict.finished, verdict.loss)


class PromotionAsha(Asha):
    """Pauses each trial at a rung, and gives a free worker to the best trial that may be promoted.

    The highest rung that has one comes first: a trial that is among the best floor(m / eta) of the m that have reached
    the rung, and has not been promoted from there. If no rung has one, a new trial starts. At a rung that the guard has
    off, every trial may be promoted.

    choice: when the budget of trials is spent, the best ceil(m / eta) may be promoted, as with stopping. With floor
    alone, no trial of a small search would ever be complete.
    """

    @override
    def decide(self, rung: Rung, epoch: int, number: int) -> Decision:
        decision = self._guarded(self._comparison.promotion(rung, number), epoch, number)
        if decision.passes and not decision.spared:  # unless another one takes the worker first
            waiting = {*_waiting(self._searcher.paused), (epoch, number)}
            return replace(decision, passes=self._next(waiting) == (epoch, number))
        return decision

    @override
    def turn_away(self, trial_id: str, epoch: int) -> None:
        self._searcher.pause(trial_id, epoch)

    @override
    def promotion(self, last: bool) -> int | None:
        paused = self._searcher.paused
        chosen = self._next(_waiting(paused), last=last)
        if chosen is None:
            return None
        epoch, number = chosen
        rung = self._recorded[epoch]
        decision = replace(self._comparison.promotion(rung, number), passes=True)
        self.settle(self._searcher.paused_trial(number), epoch, decision)
        return number

    def _next(self, waiting: set[tuple[int, int]], *, last: bool = False) -> tuple[int, int] | None:
        """Return rung and number of the trial to promote; None if there is none.

        Args:
            waiting: rung and number of the trials that could be.
            last: whether no new trial will start.
        """
        eta = self._comparison.reduction_factor
        for epoch in sorted({epoch for epoch, _ in waiting}, reverse=True):
            rung = self._recorded[epoch]
            room = len(rung) // eta if not last else -(-len(rung) // eta)
            if self._guard is not None and not self._in_force(self.verdict(epoch)):
                room = len(rung)
            for number in self._best(epoch, room):
                if (epoch, number) in waiting:
                    return epoch, number
        return None

    def _best(self, epoch: int, room: int) -> list[int]:
        """Return the numbers of the best trials at a rung; a free worker asks again before anything has changed."""
        rung = self._recorded[epoch]
        key = (len(rung), room)
        if self._ordered.get(epoch, ((0, 0), []))[0] != key:
            self._ordered[epoch] = (key, list(islice(self._comparison.ranked(rung), room)))
        return self._ordered[epoch][1]


def _waiting(paused: Mapping[int, int]) -> set[tuple[int, int]]:
    return {(epoch, number) for number, epoch in paused.items()}
