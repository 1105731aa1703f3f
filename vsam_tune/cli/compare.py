"""Compare the baselines of a study as in table 3 of the paper: accuracy, speed, differences to SAM.

Accuracies are means over seeds; AIS and seconds are medians. If the task is one of the paper's, the table also shows
the paper's numbers; `--paper` shows those of another task, to compare the order of the methods.
"""

import argparse
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vsam_tune.analysis import published_tables
from vsam_tune.cli.arguments import add_format, add_study
from vsam_tune.cli.columns import Spread, spread_text
from vsam_tune.cli.invocation import command_line
from vsam_tune.cli.render import render_json, render_rows
from vsam_tune.cli.table_notes import heading, notes
from vsam_tune.errors import InputError, problem

if TYPE_CHECKING:
    from vsam_tune.analysis.comparison import ComparedRow, Comparison


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_study(parser)
    add_format(parser)
    parser.add_argument(
        "--paper",
        choices=published_tables.tasks(),
        metavar="DATASET/MODEL",
        help=f"also show the paper's numbers of this task: {', '.join(published_tables.tasks())}",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the comparison.

    Returns:
        0; 1 if no replicate of any method has completed.
    """
    from vsam_tune.analysis.comparison import compare
    from vsam_tune.study.storage.stored_study import load_baselines

    result = load_baselines(arguments.study, arguments.root)
    rows = _paper_rows(result.study["task"], arguments.paper)
    comparison = compare(result, rows)
    if not any(row.seeds for row in comparison.rows):
        fix = command_line("baselines", arguments.study, root=arguments.root)
        sys.stderr.write(f"{result.name}: no replicate of a baseline has completed. Fix: {fix}\n")
        return 1
    if arguments.format == "json":
        sys.stdout.write(render_json(comparison.as_json()) + "\n")
    elif arguments.format == "csv":
        flat = [_flat(row) for row in comparison.as_json()["rows"]]
        sys.stdout.write(render_rows(flat, list(flat[0]), "csv") + "\n")
    else:
        sys.stdout.write(_text(comparison, rows[0].task if rows else None, arguments))
    return 0


def _paper_rows(task: Mapping[str, Any], asked: str | None) -> tuple[published_tables.PaperRow, ...]:
    """Return the paper's rows of the task in --paper, or of the study's task if the paper has it.

    Raises:
        InputError: if the paper has no table of the task in --paper.
    """
    quantized = task.get("quantization") is not None
    rows = published_tables.rows_of(asked or published_tables.task_of(task), quantized=quantized)
    if asked and not rows:
        kind = "with" if quantized else "without"
        others = [each for each in published_tables.tasks() if published_tables.rows_of(each, quantized=quantized)]
        rule, fix = f"the paper has no table of this task {kind} quantization", f"write one of {', '.join(others)}"
        raise InputError(problem("--paper", "", asked, rule, fix))
    return rows


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of the JSON with separate columns for the paper's numbers."""
    flat = {name: value for name, value in row.items() if name not in ("paper", "quoted")}
    for kind in ("paper", "quoted"):
        held = row[kind] or {}
        flat |= {f"{kind}_{name}": held.get(name) for name in published_tables.SHOWN}
    return flat


def _shown(row: "ComparedRow") -> dict[str, Any]:
    """Return a row for people."""
    shown = {
        "method": row.method,
        "trial": row.trial,
        "seeds": row.seeds,
        "test_accuracy": Spread(row.test_accuracy_mean, row.test_accuracy_std),
        "difference_to_sam": _difference(row),
        "p_value": row.p_value,
        "sampled_fraction": row.sampled_fraction,
        "sampling_number": row.sampling_number,
        "ais": Spread(row.ais, row.ais_std),
        "percent_of_sam": row.percent_of_sam,
        "ais_vs_sam": Spread(row.ais_vs_sam, row.ais_vs_sam_error),
        "gradient_evaluations": row.gradient_evaluations,
        "forward_passes": row.forward_passes or None,
        "epochs": row.epochs,
        "seconds": row.seconds,
    }
    if row.paper is not None:
        shown |= {
            "paper_accuracy": spread_text("test_accuracy", row.paper.accuracy, row.paper.accuracy_std),
            "paper_sampling_number": row.paper.sampling_number,
            "paper_ais": row.paper.ais,
            "paper_percent_of_sam": row.paper.percent_of_sam,
            "paper_note": row.paper.note,
        }
    return shown


def _difference(row: "ComparedRow") -> str:
    """Return the mean difference, with its interval if there is one."""
    if row.difference_to_sam is None:
        return ""
    interval = "" if row.difference_low is None else f" [{row.difference_low:+.2f}, {row.difference_high:+.2f}]"
    return f"{row.difference_to_sam:+.2f}{interval}"


def _text(comparison: "Comparison", paper_task: str | None, arguments: argparse.Namespace) -> str:
    """Return the table with its title above and its notes below; in LaTeX both are comments."""
    rows = [_shown(row) for row in comparison.rows]
    names = dict.fromkeys(name for row in rows for name in row)
    columns = [name for name in names if any(row.get(name) not in (None, "", Spread(None, None)) for row in rows)]
    table = render_rows(rows, columns, arguments.format)
    again = command_line("baselines", arguments.study, root=arguments.root)
    above, below = heading(comparison, paper_task), notes(comparison, paper_task, again)
    if arguments.format == "latex":
        return "".join(f"% {line}\n" for line in (*above, *below)) + f"{table}\n"
    bullet = "- " if arguments.format == "markdown" else ""
    over, under = ("".join(f"{bullet}{line}\n" for line in lines) for lines in (above, below))
    return f"{over}\n{table}\n\n{under}"
