"""The notes below the table of a front: how many trials, the hypervolume, noise, and trials with unusual speed."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vsam_tune.cli.columns import duration_text, number_text
from vsam_tune.registry.never_adapted import NEVER_ADAPTED, NEVER_ADAPTED_FIX, rate_never_adapted

if TYPE_CHECKING:
    from vsam_tune.analysis.results import Noise, StudyResult, TrialRecord

_EFFICIENCY = (0.9, 1.1)  # within it a trial is as fast as its gradient evaluations suggest


def front_notes(
    result: "StudyResult",
    front: Sequence["TrialRecord"],
    possible: Sequence["TrialRecord"],
    shown: Sequence["TrialRecord"],
    *,
    noise: "Noise",
) -> list[str]:
    """Return the notes, one a line.

    Args:
        result: of the study.
        front: its trials on the front.
        possible: the trials that may also be optimal given the noise.
        shown: the trials in the table.
        noise: `ignore` for no note on it.
    """
    lines = [_counts(result, front), _hypervolume(result), *_cost(result)]
    has_errors = any(error for record in front for error in record.errors.values())
    if has_errors:
        lines.append("± is one standard error.")
    if noise == "aware" and has_errors:
        lines.append(_possibly_optimal(len(possible), shown=len(shown) > len(front)))
    return [*lines, *_weak_rungs(result), *_rungs_off(result), *_inefficient(shown), *_never_adapted(shown)]


def _counts(result: "StudyResult", front: Sequence["TrialRecord"]) -> str:
    counts = ", ".join(f"{count} {state}" for state, count in result.counts().items() if count)
    trials = "1 trial is" if len(front) == 1 else f"{len(front)} trials are"
    return f"{trials} on the front of {result.name} ({counts})."


def _hypervolume(result: "StudyResult") -> str:
    corner = result.effective_reference_point() or {}
    at = ", ".join(f"{name} {number_text(name, value)}" for name, value in corner.items())
    kind = "reference point" if result.reference_point else "provisional reference point"
    return f"Hypervolume: {result.hypervolume():.4g} ({kind}: {at})."


def _cost(result: "StudyResult") -> list[str]:
    """Return a line on what the search has cost, where the trials recorded it."""
    from vsam_tune.analysis.search_cost import search_cost

    cost = search_cost(result.trials)
    if not cost["hours"]:
        return []
    parts = {
        f"stopped trials ({cost['stopped_epochs']:,} epochs)": cost["stopped_hours"],
        "failed trials": cost["failed_hours"],
        "the SAM probe": cost["sam_probe_hours"],
    }
    shown = [f"{duration_text(3600 * hours)} in {name}" for name, hours in parts.items() if hours]
    end = f", of which {', '.join(shown)}" if shown else ""
    waited = " (with the time for which they were paused)" if _may_have_waited(result) else ""
    return [f"Cost: {cost['epochs']:,} epochs, {duration_text(3600 * cost['hours'])} of trials{waited}{end}."]


def _may_have_waited(result: "StudyResult") -> bool:
    """Return whether the time of a trial that ended may include a pause: at a rung, or after an interruption."""
    promotes = (result.study.get("trial_scheduler") or {}).get("variant") == "promotion"
    return promotes or any(trial.has_ended and trial.resumed for trial in result.trials)


def _possibly_optimal(count: int, *, shown: bool) -> str:
    if count == 0:
        return "No other trial is likely to be optimal given the measurement noise."
    trials = "1 more trial" if count == 1 else f"{count} more trials"
    hint = "marked possible" if shown else f"--include-possible lists {'it' if count == 1 else 'them'}"
    return f"{trials} may also be optimal given the measurement noise ({hint})."


def _weak_rungs(result: "StudyResult") -> list[str]:
    """Return a line for each rung whose order says little about the order at the end."""
    from vsam_tune.analysis.rung_correlation import FEWEST, WEAK, rung_correlations

    lines = []
    for rung in rung_correlations(result):
        taus = {name: tau for name, tau in rung["tau"].items() if tau is not None and rung["trials"][name] >= FEWEST}
        weak = [f"{name} {tau:.2f} ({rung['trials'][name]} trials)" for name, tau in taus.items() if tau < WEAK]
        if weak:
            lines.append(
                f"The order at the rung of epoch {rung['epoch']} says little about the end:"
                f" Kendall's tau {', '.join(weak)}."
            )
    return lines


def _rungs_off(result: "StudyResult") -> list[str]:
    """Return a line for each rung that stops no trial now, since the guard has it off."""
    if not (result.study.get("trial_scheduler") or {}).get("guard"):  # a study without rungs, as most are
        return []
    from vsam_tune.study.scheduling.rung_summary import rung_rows

    return [
        f"The guard has the rung of epoch {row['epoch']} off: its rule would lose {100 * row['loss']:.0f} % of the"
        f" hypervolume of {row['finished']} finished trials."
        for row in rung_rows(result)
        if row["in_force"] is False
    ]


def _inefficient(records: Sequence["TrialRecord"]) -> list[str]:
    """Return a line on the trials that are not as fast as their gradient evaluations suggest, where there are any."""
    low, high = _EFFICIENCY
    found = {record.number: record.metrics.get("efficiency", math.nan) for record in records}
    outside = [f"trial {number} ({value:.2f})" for number, value in found.items() if value < low or value > high]
    if not outside:
        return []
    meaning = "below 1 a trial is slower than its gradient evaluations suggest, above 1 it is faster"
    return [f"Efficiency outside {low} to {high}: {', '.join(outside)}; {meaning}."]


def _never_adapted(records: Sequence["TrialRecord"]) -> list[str]:
    """Return two lines on the trials of vSAM whose sampling rate stayed the initial one, where there are any."""
    found = [f"trial {record.number}" for record in records if rate_never_adapted(record.metrics)]
    remark = f"{NEVER_ADAPTED[0].upper()}{NEVER_ADAPTED[1:]}"
    return [f"{remark}: {', '.join(found)}.", f"If it should, use {NEVER_ADAPTED_FIX}."] if found else []
