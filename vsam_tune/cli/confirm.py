"""Confirm the front of a study: train its points, SGD and SAM again with fresh seeds, then time each of them alone.

The numbers of a front are too good, since the front was selected by them. Fresh seeds show by how much, which points
remain on the front, and how accurate the best pick is on the test set, which played no part in the selection. All state
is stored in DIR/NAME/confirm. Repeat the command to resume it; more seeds, and new points of the front, are added.
"""

import argparse
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vsam_tune.cli.arguments import (
    add_data,
    add_engine,
    add_format,
    add_settings,
    add_study,
    load_chosen_study,
    positive,
    seeds,
)
from vsam_tune.cli.columns import number_text
from vsam_tune.cli.render import render_json, render_rows

if TYPE_CHECKING:
    from vsam_tune.analysis.confirmation import Confirmation
    from vsam_tune.analysis.confirmed_row import ConfirmedRow
    from vsam_tune.analysis.estimates import Interval


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_study(parser)
    add_settings(parser)
    parser.add_argument("--seeds", type=seeds, default=5, metavar="N", help="fresh seeds of each row (default: 5)")
    parser.add_argument(
        "--include-possible",
        action="store_true",
        help="also confirm the trials that may be optimal given the measurement noise",
    )
    parser.add_argument(
        "--timing-only", action="store_true", help="train nothing; measure the speed again, for example on another GPU"
    )
    parser.add_argument(
        "--timing-seconds",
        type=positive,
        default=60,
        metavar="N",
        help="seconds for which each row is timed (default: 60)",
    )
    add_data(parser)
    add_format(parser)
    add_engine(parser, workers=None)


def run(arguments: argparse.Namespace) -> int:
    """Train and time, then print the confirmed front.

    Returns:
        0; 1 if a training or timing failed, diverged, or is not finished.
    """
    from vsam_tune.analysis.confirmation import summarize_confirmation
    from vsam_tune.cli.progress import Progress
    from vsam_tune.cli.unfinished import report_unfinished
    from vsam_tune.study.confirm import ConfirmJob, Scope
    from vsam_tune.study.execution.runner import Runner
    from vsam_tune.study.storage.folder import CONFIRM_FOLDER
    from vsam_tune.study.tracking.run_kind import CONFIRM as KIND

    study, root = load_chosen_study(arguments), arguments.root
    scope = Scope(
        seeds=arguments.seeds,
        include_possible=arguments.include_possible,
        timing_only=arguments.timing_only,
        timing_seconds=arguments.timing_seconds,
    )
    job = ConfirmJob(study=study, scope=scope, root=root, address=arguments.address)
    with Progress([each.name for each in study.objectives]) as progress:
        result, _ = Runner(job.home).run(
            job, listeners=[progress], workers=arguments.workers, address=arguments.address
        )
    wanted = job.wanted
    table = summarize_confirmation(wanted.searched, result)
    _write(table, arguments.format)
    folder = root / study.name / CONFIRM_FOLDER
    replicates, timings = ([each.to_params() for each in trials] for trials in (wanted.replicates, wanted.timings))
    fix = "none: the configuration diverges with this seed, and the means leave it out"
    trained = report_unfinished(result, replicates, folder, kind=KIND, fix=fix)
    fix = "repeat the command with --timing-only and a larger --timing-seconds"
    timed = report_unfinished(result, timings, folder, kind=KIND, fix=fix, what="timings")
    return max(trained, timed, _tell_of_withheld_speeds(table))


def _tell_of_withheld_speeds(confirmation: "Confirmation") -> int:
    """Name the rows with an unreliable timing; return 1 if there are any."""
    labels = confirmation.without_speed
    if labels:
        sys.stderr.write(
            f"{confirmation.study}: no ais_vs_sam of {', '.join(labels)}: the parts of their timings disagree."
            " Fix: repeat the command with --timing-only and a larger --timing-seconds\n"
        )
    return int(bool(labels))


def _write(confirmation: "Confirmation", format: str) -> None:  # noqa: A002 - named like the option
    """Write a row for each configuration; below a table notes for people. Warnings go to stderr."""
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
            f"{confirmation.study}: other programs used the processors during the timing of {', '.join(disturbed)}:"
            " ais is too low, ais_vs_sam is less affected. Fix: repeat the command with --timing-only on an idle"
            " machine\n"
        )


def _flat(row: "ConfirmedRow") -> dict[str, Any]:
    """Return a row of the JSON with a column for each number."""
    flat: dict[str, Any] = {"trial": row.trial, "label": row.label, "seeds": row.seeds}
    for name, value in row.confirmed.items():
        low, high = row.interval[name] or (None, None)
        flat |= {f"searched_{name}": row.searched and row.searched[name], f"confirmed_{name}": value}
        flat |= {f"low_{name}": low, f"high_{name}": high, f"shrinkage_{name}": row.shrinkage and row.shrinkage[name]}
    test: Mapping[str, Any] = row.test_accuracy or {}
    low, high = test.get("interval") or (None, None)
    flat |= {"test_accuracy_mean": test.get("mean"), "test_accuracy_std": test.get("std")}
    flat |= {"low_test_accuracy": low, "high_test_accuracy": high}
    names = ("plain_front", "on_front", "replicates", "alone", "device")
    return flat | {name: getattr(row, name) for name in names}


def _shown(row: "ConfirmedRow") -> dict[str, Any]:
    """Return a row for people: a value and its interval in one cell."""
    shown: dict[str, Any] = {"row": row.label, "seeds": row.seeds}
    for name, value in row.confirmed.items():
        shown[name] = row.searched[name] if row.searched else None
        shown[f"confirmed_{name}"] = _within(name, value, row.interval[name])
        shown[f"shrinkage_{name}"] = _signed(name, row.shrinkage[name] if row.shrinkage else None)
    test: Mapping[str, Any] = row.test_accuracy or {}
    shown["test_accuracy"] = _within("test_accuracy", test.get("mean"), test.get("interval"))
    return shown | {"on_front": row.on_front, "replicates": row.replicates, "alone": row.alone}


def _within(name: str, value: float | None, interval: "Interval | None") -> str:
    """Return `VALUE [LOW, HIGH]` with the decimals of the metric."""
    ends = f" [{', '.join(number_text(name, end) for end in interval)}]" if interval else ""
    return f"{number_text(name, value)}{ends}"


def _signed(name: str, value: float | None) -> str:
    return f"{'+' if value and value > 0 else ''}{number_text(name, value)}"


def _remarks(confirmation: "Confirmation") -> list[str]:
    """Return notes on the front, the pick, and the measurement of speed; one line each."""
    front, timing, pick = confirmation.front, confirmation.timing, confirmation.pick
    not_judged = f", {front['not_judged']} not decided yet" if front["not_judged"] else ""
    lines = [
        f"{front['remaining']} of {front['searched']} points remain on the front of {confirmation.study}{not_judged}",
        "confirmed: mean over fresh seeds [95 % interval]; shrinkage: confirmed minus searched",
    ]
    if pick is not None:
        test: Mapping[str, Any] = pick["test_accuracy"] or {}
        accuracy = _within("test_accuracy", test.get("mean"), test.get("interval")) or "not reported"
        lines.append(
            f"pick: {pick['label']}, the knee of the confirmed means; test accuracy {accuracy}, a fair estimate, since"
            " the test set played no part in the selection"
        )
    if not confirmation.timed:
        lines.append("speed: not timed alone, since the trainable is custom; the speeds are those of the seeds")
    elif timing is not None:
        how = "alone" if timing["alone"] else "not alone"
        lines.append(f"speed: timing {timing['timing']} on {timing['device']}, {how}, one row at a time")
    return lines
