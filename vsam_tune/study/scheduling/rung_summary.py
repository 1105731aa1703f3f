"""What happened at the rungs of a study, and why: for people who read it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from vsam_tune.analysis.results import StudyResult, TrialRecord
from vsam_tune.study.file.feasibility import read_constraints
from vsam_tune.study.file.sections import Fifo, TrialScheduler
from vsam_tune.study.scheduling.build import comparison_of
from vsam_tune.study.scheduling.guard import judge
from vsam_tune.study.scheduling.rungs import rungs_of

_SPARED = {
    "first": "it is one of the first trials of the study",
    "rung off": "the guard has the rung off",
    "audit": "it goes on as an audit",
}


def rung_rows(result: StudyResult) -> list[dict[str, Any]]:
    """Return a row for each rung, ascending; none for a study whose trial scheduler has no rungs.

    A row holds `epoch`; how many trials have `reached` it, `passed`, were `stopped`, are `waiting` there, and went on
    as `audits`; whether it is `in_force`, None without a guard; and the `Verdict` of the guard on it.
    """
    section = TypeAdapter[Any](TrialScheduler).validate_python(result.study["trial_scheduler"])
    if isinstance(section, Fifo):
        return []
    comparison = comparison_of(section, result.objectives, read_constraints(result.study))
    guard = None if section.guard == "off" else section.guard
    finished = [trial for trial in result.trials if trial.may_join_front]
    rows = []
    for epoch in rungs_of(section, result.study["task"]["epochs"]):
        verdict = judge(finished, epoch, comparison, audit=guard.audit if guard else 0.0)
        in_force = None if guard is None else guard.allows(verdict.finished, verdict.loss)
        rows.append({"epoch": epoch, **_counts(result.trials, epoch), "in_force": in_force, **verdict.as_json()})
    return rows


def _counts(trials: Sequence[TrialRecord], epoch: int) -> dict[str, int]:
    there = [trial for trial in trials if epoch in trial.rungs]
    decisions = [trial.decisions.get(epoch, {}) for trial in there]
    waiting = sum(trial.paused == epoch for trial in there)
    return {
        "reached": len(there),
        "passed": sum(bool(decision.get("passes")) for decision in decisions),
        "stopped": sum(decision.get("passes") is False for decision in decisions) - waiting,
        "waiting": waiting,
        "audits": sum(decision.get("spared") == "audit" for decision in decisions),
    }


def decision_rows(trials: Sequence[TrialRecord]) -> Iterator[dict[str, Any]]:
    """Yield a row for each decision on each trial: `trial`, `epoch`, the decision, and `text`, which explains it."""
    for trial in trials:
        for epoch, decision in sorted(trial.decisions.items()):
            text = f"trial {trial.number} {_outcome(trial, epoch, decision)} at epoch {epoch}: {_reason(decision)}"
            yield {"trial": trial.number, "epoch": epoch, **decision, "text": text}


def _outcome(trial: TrialRecord, epoch: int, decision: Mapping[str, Any]) -> str:
    if decision["passes"]:
        return "went on"
    return "waits" if trial.paused == epoch else "stopped"


def _reason(decision: Mapping[str, Any]) -> str:
    if decision["rank"] is None:
        return "it lacks a finite objective"
    parts = [f"rank {decision['rank'] + 1} of {decision['rows']}, {decision['kept']} kept"]
    parts += [_SPARED[decision["spared"]]] if decision["spared"] else []
    verdict = decision["verdict"]
    if verdict:
        parts.append(f"over {verdict['finished']} finished trials the rule loses {100 * verdict['loss']:.0f} %")
    return "; ".join(parts)
