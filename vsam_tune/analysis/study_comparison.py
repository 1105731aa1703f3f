"""Hypervolumes of several studies from one pooled reference point; repeats of a study as means with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from statistics import mean
from typing import Literal, TypedDict

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from vsam_tune.analysis import paired_tests, pareto
from vsam_tune.analysis.attainment import attainment_surfaces
from vsam_tune.analysis.definitions import ObjectiveDefinition
from vsam_tune.analysis.hypervolume_over import VolumePoint, hypervolume_over
from vsam_tune.analysis.results import Objective, StudyResult
from vsam_tune.analysis.search_cost import search_cost

Interval = tuple[float, float]
_FAR = 0.01  # choice: the fronts span less than 1 % of the way to the pooled point
Point = dict[str, float]  # values by objective name


class ComparedStudy(TypedDict):
    """One study.

    Attributes:
        study: its name.
        group: the name of the first study of its group.
        seed: of its sampler; None where it has none.
        complete: complete trials.
        front: trials on its front.
        epochs: of the trials that have ended.
        hours: of the trials that have ended; trials that ran side by side add up.
        hypervolume: from the pooled reference point.
        hypervolume_at_equal_epochs: after as many epochs as the study with the fewest has.
    """

    study: str
    group: str
    seed: int | None
    complete: int
    front: int
    epochs: int
    hours: float
    hypervolume: float
    hypervolume_at_equal_epochs: float


class StudyGroup(TypedDict):
    """Studies that are repeats of each other.

    Attributes:
        group: the name of the first one.
        studies: their names.
        differs: dotted keys of the definition that differ from those of the first group.
        epochs: mean.
        hours: mean.
        hypervolume: mean.
        interval: of the mean hypervolume, 95 %; None for one study, or where all are equal.
        hypervolume_at_equal_epochs: mean.
        interval_at_equal_epochs: of this mean.
        attainment: points by the name of the surface, see `attainment.attainment_surfaces`.
    """

    group: str
    studies: list[str]
    differs: list[str]
    epochs: float
    hours: float
    hypervolume: float
    interval: Interval | None
    hypervolume_at_equal_epochs: float
    interval_at_equal_epochs: Interval | None
    attainment: dict[str, list[Point]] | None


class GroupDifference(TypedDict):
    """The mean hypervolume of a group less that of another.

    Attributes:
        group: the later one.
        less: the earlier one.
        paired: whether the studies are compared pair by pair, by the seed of their samplers.
        hypervolume: the difference of the means.
        interval: 95 %; None without repeats of both, or where there is no spread.
        hypervolume_at_equal_epochs: the same after equal epochs.
        interval_at_equal_epochs: of this difference.
    """

    group: str
    less: str
    paired: bool
    hypervolume: float
    interval: Interval | None
    hypervolume_at_equal_epochs: float
    interval_at_equal_epochs: Interval | None


class StudyComparison(TypedDict):
    """The object that `compare-studies --format json` prints; other tools rely on its keys.

    Attributes:
        objectives: of all studies.
        reference_point: pooled or given, by objective name.
        closer_reference_point: that of the fronts alone, where the pooled one is so far away that the fronts hardly
            differ from there; else None.
        equal_epochs: those of the study with the fewest.
        studies: by group.
        groups: in the order of their first studies.
        differences: of each pair of groups.
    """

    objectives: list[ObjectiveDefinition]
    reference_point: Point
    closer_reference_point: Point | None
    equal_epochs: int
    studies: list[ComparedStudy]
    groups: list[StudyGroup]
    differences: list[GroupDifference]


def compare_studies(
    groups: Sequence[Sequence[StudyResult]],
    differs: Sequence[Sequence[str]],
    reference_point: Mapping[str, float] | None = None,
) -> StudyComparison:
    """Return the comparison of studies with the same objectives.

    Without a reference point, it is that of the complete, feasible trials of all studies together
    (`pareto.reference_point`).
    Intervals are t-intervals: of a mean over the repeats, of a mean of paired differences where two groups have the
    same sampler seeds, and otherwise Welch's.

    Args:
        groups: repeats together; each study has a complete, feasible trial.
        differs: of each group the dotted keys of the definition that differ from those of the first group.
        reference_point: a finite value of each objective, by name; None for the pooled one.
    """
    studies = [result for group in groups for result in group]
    objectives = studies[0].objectives
    losses = np.concatenate([_losses(result) for result in studies])
    point = dict(reference_point or _natural(objectives, pareto.reference_point(losses)))
    grown = {result.name: hypervolume_over(replace(result, reference_point=point)) for result in studies}
    equal_epochs = min(search_cost(result.trials)["epochs"] for result in studies)
    rows = [[_study(result, group[0].name, grown[result.name], equal_epochs) for result in group] for group in groups]
    return StudyComparison(
        objectives=[each.definition() for each in objectives],
        reference_point=point,
        closer_reference_point=None if reference_point else _closer_point(studies),
        equal_epochs=equal_epochs,
        studies=[row for group in rows for row in group],
        groups=[_group(group, members, keys) for group, members, keys in zip(rows, groups, differs, strict=True)],
        differences=[_difference(earlier, later) for earlier, later in combinations(rows, 2)],
    )


def _closer_point(studies: Sequence[StudyResult]) -> Point | None:
    """Return the reference point of all fronts, where it is much closer in some objective; else None.

    One trial that nearly diverged takes the pooled point to where all hypervolumes have the same leading digits.
    """
    every = np.concatenate([_losses(result) for result in studies])
    fronts = np.concatenate([result.losses(result.front()) for result in studies])
    ideal, far, close = every.min(axis=0), pareto.reference_point(every), pareto.reference_point(fronts)
    is_far = (close - ideal < _FAR * (far - ideal)).any()
    return _natural(studies[0].objectives, close) if is_far else None


def _losses(result: StudyResult) -> NDArray[np.float64]:
    return result.losses(trial for trial in result.trials if trial.may_join_front)


def _natural(objectives: Sequence[Objective], losses: NDArray[np.float64]) -> Point:
    return {each.name: each.sign * float(loss) for each, loss in zip(objectives, losses, strict=True)}


def _study(result: StudyResult, group: str, grown: Sequence[VolumePoint], equal_epochs: int) -> ComparedStudy:
    cost = search_cost(result.trials)
    sampler = result.study.get("sampler") or {}
    until = [point["hypervolume"] for point in grown if point["epochs"] <= equal_epochs]
    return ComparedStudy(
        study=result.name,
        group=group,
        seed=sampler.get("seed"),
        complete=result.counts()["complete"],
        front=len(result.front()),
        epochs=cost["epochs"],
        hours=cost["hours"],
        hypervolume=grown[-1]["hypervolume"],
        hypervolume_at_equal_epochs=until[-1] if until else 0.0,
    )


def _group(rows: Sequence[ComparedStudy], members: Sequence[StudyResult], differs: Sequence[str]) -> StudyGroup:
    volumes = np.array([row["hypervolume"] for row in rows])
    at_equal = np.array([row["hypervolume_at_equal_epochs"] for row in rows])
    return StudyGroup(
        group=rows[0]["group"],
        studies=[row["study"] for row in rows],
        differs=list(differs),
        epochs=mean(row["epochs"] for row in rows),
        hours=mean(row["hours"] for row in rows),
        hypervolume=float(volumes.mean()),
        interval=paired_tests.mean_interval(volumes),
        hypervolume_at_equal_epochs=float(at_equal.mean()),
        interval_at_equal_epochs=paired_tests.mean_interval(at_equal),
        attainment=_attainment(members),
    )


def _attainment(members: Sequence[StudyResult]) -> dict[str, list[Point]] | None:
    surfaces = attainment_surfaces([_losses(result) for result in members])
    if surfaces is None:
        return None
    objectives = members[0].objectives
    return {name: [_natural(objectives, losses) for losses in surface] for name, surface in surfaces.items()}


def _difference(earlier: Sequence[ComparedStudy], later: Sequence[ComparedStudy]) -> GroupDifference:
    paired = _by_seed(earlier) is not None and sorted(_by_seed(earlier) or ()) == sorted(_by_seed(later) or ())
    if paired:
        earlier, later = ([row for _, row in sorted((_by_seed(rows) or {}).items())] for rows in (earlier, later))
    whole, whole_interval = _mean_difference(*_volumes("hypervolume", later, earlier), paired=paired)
    equal, equal_interval = _mean_difference(*_volumes("hypervolume_at_equal_epochs", later, earlier), paired=paired)
    return GroupDifference(
        group=later[0]["group"],
        less=earlier[0]["group"],
        paired=paired,
        hypervolume=whole,
        interval=whole_interval,
        hypervolume_at_equal_epochs=equal,
        interval_at_equal_epochs=equal_interval,
    )


def _by_seed(rows: Sequence[ComparedStudy]) -> dict[int, ComparedStudy] | None:
    """Return the studies by the seed of their samplers; None where one has none, or two have the same."""
    found = {row["seed"]: row for row in rows if row["seed"] is not None}
    return found if len(found) == len(rows) else None


def _volumes(
    name: Literal["hypervolume", "hypervolume_at_equal_epochs"], *groups: Sequence[ComparedStudy]
) -> list[NDArray[np.float64]]:
    return [np.array([row[name] for row in rows], dtype=np.float64) for rows in groups]


def _mean_difference(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], *, paired: bool
) -> tuple[float, Interval | None]:
    """Return the mean of ours less that of theirs, and its interval."""
    difference = float(ours.mean() - theirs.mean())
    if paired:
        return difference, paired_tests.mean_interval(ours - theirs)
    if min(len(ours), len(theirs)) < 2 or np.ptp(ours) == np.ptp(theirs) == 0:
        return difference, None
    found = stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval(paired_tests.CONFIDENCE)
    return difference, (float(found.low), float(found.high))
