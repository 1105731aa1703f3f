"""Confirm the front of a study: train its points, SGD and SAM again under fresh seeds; then time each of them alone.

A front's numbers are those that it was chosen for, so they flatter. Fresh seeds tell by how much, which points remain,
and how accurate the best pick is on the test set, which has chosen nothing. Kept under DIR / study name / confirm. What
was interrupted goes on with the same command; more seeds, and points that the search has found since, are added.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsam_tune.cli.arguments import add_data, add_engine, add_format, add_study, overrides, positive
from vsam_tune.cli.render import number_text, render_json, render_rows

if TYPE_CHECKING:
    from vsam_tune.analysis.confirmation import Confirmation, Row
    from vsam_tune.analysis.estimates import Interval
    from vsam_tune.study.file.study_file import Study


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_study(parser)
    parser.add_argument("--seeds", type=positive, default=5, metavar="N", help="replicates of each row (5)")
    parser.add_argument("--possible", action="store_true", help="also the trials that noise cannot exclude")
    parser.add_argument(
        "--time-only", action="store_true", help="train nothing; time once more, such as on another GPU"
    )
    parser.add_argument(
        "--timing-seconds", type=positive, default=60, metavar="N", help="for which each row is timed alone (60)"
    )
    add_data(parser)
    add_format(parser)
    add_engine(parser, workers=None)


def run(arguments: argparse.Namespace) -> int:
    """Train and time, then print what the front has come to.

    Returns:
        0; 1 if a wanted training or timing failed, diverged, or is not done.
    """
    from vsam_tune.analysis.confirmation import confirmation
    from vsam_tune.cli.progress import Progress
    from vsam_tune.cli.unfinished import num_ended, tell_what_is_missing
    from vsam_tune.study.confirm import Scope, confirm, wanted_trials
    from vsam_tune.study.storage.study_storage import CONFIRM, CONFIRM_FOLDER, find_result
    from vsam_tune.study.tracking.run_kind import CONFIRM as KIND

    study, root = _study(arguments), arguments.root
    scope = Scope(
        seeds=arguments.seeds,
        possible=arguments.possible,
        time_only=arguments.time_only,
        timing_seconds=arguments.timing_seconds,
    )
    wanted = wanted_trials(study, scope, root=root, address=arguments.address)
    total, ended = len(wanted.trials), num_ended(find_result(root / study.name, CONFIRM), wanted.trials)
    with Progress([each.name for each in study.objectives], total=total, ended=ended) as progress:
        result, wanted = confirm(
            study, scope, root=root, listeners=[progress], workers=arguments.workers, address=arguments.address
        )
    table = confirmation(wanted.searched, result)
    _write(table, arguments.format)
    folder = root / study.name / CONFIRM_FOLDER
    fix = "none, it is what that seed gives: no mean counts it"
    trained = tell_what_is_missing(result, wanted.replicates, folder, kind=KIND, fix=fix)
    fix = "--time-only, with a larger --timing-seconds"
    timed = tell_what_is_missing(result, wanted.timings, folder, kind=KIND, fix=fix, what="timings")
    return max(trained, timed, _tell_of_withheld_speeds(table))


def _tell_of_withheld_speeds(confirmation: "Confirmation") -> int:
    """Name the rows whose timing could not be believed; return 1 where there are any."""
    labels = confirmation.without_speed
    if labels:
        sys.stderr.write(
            f"{confirmation.study}: no ais_vs_sam of {', '.join(labels)}: their timings disagree within themselves."
            " Fix: --time-only, with a larger --timing-seconds\n"
        )
    return int(bool(labels))


def _study(arguments: argparse.Namespace) -> "Study":
    """Return the study of a file; or, of a name, the one that was searched under it."""
    from vsam_tune.study.file.study_file import load_study
    from vsam_tune.study.storage.study_storage import load_definition

    file = Path(arguments.study)
    if file.suffix in (".yaml", ".yml"):
        return load_study(file, overrides(arguments))
    return load_definition(arguments.study, arguments.root, overrides(arguments))


def _write(confirmation: "Confirmation", format: str) -> None:  # noqa: A002 - named like the option
    """Write a row for each configuration; for people what remains and the pick below. Warnings go to stderr."""
    if format == "json":
        sys.stdout.write(render_json(confirmation.as_json()) + "\n")
    elif format == "csv":
        flat = [_flat(row) for row in confirmation.rows]
        sys.stdout.write(render_rows(flat, list(flat[0]), "csv") + "\n")
    else:
        rows = [_shown(row) for row in confirmation.rows]
        columns = [name for name in rows[0] if any(row[name] not in (None, "") for row in rows)]
        sys.stdout.write(render_rows(rows, columns, format) + "\n")  # type: ignore[arg-type] # argparse's choices are Format
        if format != "latex":
            sys.stdout.write("\n" + "".join(f"{line}\n" for line in _remarks(confirmation)))
    disturbed = [row.label for row in confirmation.rows if row.alone is False]
    if disturbed:
        sys.stderr.write(
            f"{confirmation.study}: others used the processors while {', '.join(disturbed)} were timed: ais is too low,"
            " ais_vs_sam less so. Fix: --time-only when the machine is idle\n"
        )


def _flat(row: "Row") -> dict[str, Any]:
    """Return a row of the JSON with a column for each number."""
    flat: dict[str, Any] = {"trial": row.trial, "label": row.label, "seeds": row.seeds}
    for name, value in row.confirmed.items():
        low, high = row.interval[name] or (None, None)
        flat |= {f"searched_{name}": row.searched and row.searched[name], f"confirmed_{name}": value}
        flat |= {f"low_{name}": low, f"high_{name}": high, f"shrinkage_{name}": row.shrinkage and row.shrinkage[name]}
    test = row.test_accuracy or {}
    low, high = test.get("interval") or (None, None)
    flat |= {"test_accuracy_mean": test.get("mean"), "test_accuracy_std": test.get("std")}
    flat |= {"low_test_accuracy": low, "high_test_accuracy": high}
    names = ("plain_front", "on_front", "replicates", "alone", "device")
    return flat | {name: getattr(row, name) for name in names}


def _shown(row: "Row") -> dict[str, Any]:
    """Return a row for people: a value and its interval in one cell."""
    shown: dict[str, Any] = {"row": row.label, "seeds": row.seeds}
    for name, value in row.confirmed.items():
        shown[name] = row.searched[name] if row.searched else None
        shown[f"confirmed_{name}"] = _within(name, value, row.interval[name])
        shown[f"shrinkage_{name}"] = _signed(name, row.shrinkage[name] if row.shrinkage else None)
    test = row.test_accuracy or {}
    shown["test_accuracy"] = _within("test_accuracy", test.get("mean"), test.get("interval"))
    return shown | {"on_front": row.on_front, "replicates": row.replicates, "alone": row.alone}


def _within(name: str, value: float | None, interval: "Interval | None") -> str:
    """Return `VALUE [LOW, HIGH]` with the digits of the metric."""
    ends = f" [{', '.join(number_text(name, end) for end in interval)}]" if interval else ""
    return f"{number_text(name, value)}{ends}"


def _signed(name: str, value: float | None) -> str:
    return f"{'+' if value and value > 0 else ''}{number_text(name, value)}"


def _remarks(confirmation: "Confirmation") -> list[str]:
    """Return what remains of the front, the pick, and how speed was measured; one line each."""
    front, timing, pick = confirmation.front, confirmation.timing, confirmation.pick
    not_judged = f", {front['not_judged']} not judged yet" if front["not_judged"] else ""
    lines = [
        f"{front['remaining']} of {front['searched']} points remain on the front of {confirmation.study}{not_judged}",
        "confirmed: mean over fresh seeds [95 % interval]; shrinkage: confirmed less searched",
    ]
    if pick is not None:
        test = pick["test_accuracy"] or {}
        accuracy = _within("test_accuracy", test.get("mean"), test.get("interval")) or "not reported"
        lines.append(
            f"pick: {pick['label']}, the knee of the confirmed means; test accuracy {accuracy}, a fair estimate: the"
            " test set has chosen nothing"
        )
    if not confirmation.timed:
        lines.append("speed: not timed alone, for the trainable is one's own; its objectives are those of the seeds")
    elif timing is not None:
        how = "alone" if timing["alone"] else "not alone"
        lines.append(f"speed: timing {timing['timing']} on {timing['device']}, {how}, one row at a time")
    return lines
