"""Simulated searches over samplers, trial schedulers and workers, repeated: a row for each combination."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import TypeAdapter

from vsam_tune.analysis.paired_tests import mean_interval
from vsam_tune.analysis.results import TrialRecord
from vsam_tune.errors import InputError, nearest, problem
from vsam_tune.study.file.sections import MoAsha, Sampler, TrialScheduler
from vsam_tune.study.scheduling.build import SAMPLERS, comparison_of
from vsam_tune.study.scheduling.guard import judge
from vsam_tune.study.scheduling.rungs import rungs_of
from vsam_tune.study.simulation.recording import Recording
from vsam_tune.study.simulation.simulator import Progress, simulate

Guarded = Literal["on", "off"]
SCHEDULERS = ("fifo", "asha", "asha-promotion", "mo_asha", "mo_asha-promotion")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kind of search.

    Attributes:
        recording: that is searched.
        sampler: its kind.
        scheduler: one of `SCHEDULERS`.
        guard: of the rungs; on for fifo, which has none, so that it is there once.
        workers: trials at a time.
        section: `trial_scheduler:` of a study file.
    """

    recording: Recording
    sampler: str
    scheduler: str
    guard: Guarded
    workers: int
    section: dict[str, Any]


def cases(
    recordings: Sequence[Recording],
    *,
    samplers: Sequence[str],
    schedulers: Sequence[str],
    guards: Sequence[Guarded],
    workers: Sequence[int],
    rungs: dict[str, Any],
) -> list[Case]:
    """Return all combinations.

    Args:
        recordings: that are searched.
        samplers: kinds of a study file.
        schedulers: of `SCHEDULERS`.
        guards: whether the rungs have a guard.
        workers: trials at a time.
        rungs: keys of `trial_scheduler:`, such as `min_epochs`.

    Raises:
        InputError: if a sampler or scheduler is not known.
    """
    _check("--samplers", samplers, [kind for kind in SAMPLERS if kind != "grid"])  # recorded trials form no grid
    _check("--schedulers", schedulers, SCHEDULERS)
    found = []
    for recording in recordings:
        for sampler in samplers:
            for scheduler in schedulers:
                for guard in guards if scheduler != "fifo" else guards[:1]:
                    section = _section(recording, scheduler, guard, rungs)
                    found += [
                        Case(
                            recording=recording,
                            sampler=sampler,
                            scheduler=scheduler,
                            guard=guard,
                            workers=count,
                            section=section,
                        )
                        for count in workers
                    ]
    return found


def _check(option: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            near = nearest(name, known)
            fix = f"write {near}" if near else f"one of {', '.join(known)}"
            raise InputError(problem(option, "", name, "is not known", fix))


def _section(recording: Recording, scheduler: str, guard: Guarded, rungs: dict[str, Any]) -> dict[str, Any]:
    kind, _, variant = scheduler.partition("-")
    if kind == "fifo":
        return {"kind": "fifo"}
    metric = {"metric": recording.objectives[0].name} if kind == "asha" else {}
    off = {"guard": "off"} if guard == "off" else {}
    return {"kind": kind, "variant": variant or "stopping", **metric, **rungs, **off}


def run_once(case: Case, seed: int, budgets: Sequence[int]) -> list[Progress]:
    """Return what one search reached at each budget of epochs."""
    sampler = TypeAdapter[Any](Sampler).validate_python({"kind": case.sampler, "seed": seed})
    section = TypeAdapter[Any](TrialScheduler).validate_python(case.section)
    return simulate(case.recording, sampler=sampler, trial_scheduler=section, workers=case.workers, budgets=budgets)


def rows(case: Case, repeats: Sequence[Sequence[Progress]]) -> list[dict[str, Any]]:
    """Return a row for each budget: means over the repeats, and the 95 % t-interval of the hypervolume."""
    found = []
    for reached in zip(*repeats, strict=True):
        volumes = np.array([each.hypervolume for each in reached])
        found.append({
            "data": case.recording.name,
            "sampler": case.sampler,
            "scheduler": case.scheduler,
            "guard": None if case.scheduler == "fifo" else case.guard,
            "workers": case.workers,
            "epochs": round(float(np.mean([each.epochs for each in reached]))),
            "seconds": float(np.mean([each.seconds for each in reached])),
            "hypervolume_mean": float(volumes.mean()),
            "hypervolume_interval": mean_interval(volumes),
            "finished": float(np.mean([each.finished for each in reached])),
            "started": float(np.mean([each.started for each in reached])),
            "repeats": len(reached),
        })
    return found


def table(
    found: Sequence[Case], *, repeats: int, trainings: Sequence[float], seed: int, processes: int
) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of each case, when its repeats have run.

    Args:
        found: the cases.
        repeats: of each, with the seeds from `seed` on.
        trainings: when to look, in epochs of so many full trainings.
        seed: the first one.
        processes: that run repeats side by side.
    """
    with ProcessPoolExecutor(max_workers=processes) as pool:
        waiting = []
        for case in found:
            budgets = [round(each * case.recording.epochs) for each in sorted(trainings)]
            waiting.append([pool.submit(run_once, case, seed + i, budgets) for i in range(repeats)])
        for case, futures in zip(found, waiting, strict=True):
            yield rows(case, [future.result() for future in futures])


def would_have_stopped(recording: Recording, rungs: dict[str, Any]) -> list[dict[str, Any]]:
    """Return for each rung of `mo_asha` what its rule would have lost of all recorded trials, ranked at once."""
    section = MoAsha(**rungs)
    comparison = comparison_of(section, recording.objectives)
    epochs = rungs_of(section, recording.epochs)
    names = [each.name for each in recording.objectives]
    trials = [
        TrialRecord(
            number=i,
            state="complete",
            params={},
            values={name: recording.point(i, recording.epochs)[name] for name in names},
            metrics={},
            rungs={epoch: recording.point(i, epoch) for epoch in epochs},
        )
        for i in range(recording.num_trials)
        if {*names} <= recording.point(i, recording.epochs).keys()
    ]
    return [
        {"data": recording.name, "epoch": epoch, **judge(trials, epoch, comparison, audit=0.0).as_json()}
        for epoch in epochs
    ]
