"""Show one trial: parameters, objectives, learning curve, rungs, error, log, and the paths of its files."""

import argparse
import sys
from typing import Any

from vsam_tune.cli.arguments import add_study
from vsam_tune.cli.columns import number_text
from vsam_tune.cli.invocation import command_line
from vsam_tune.cli.render import render_json, render_rows
from vsam_tune.registry.metrics import METRICS

_CURVE_ROWS = 12  # at most about so many: the first, the last, and some at equal distances


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_study(parser)
    parser.add_argument("trial", type=int, metavar="N", help="number of the trial")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="output format (default: table)")


def run(arguments: argparse.Namespace) -> int:
    """Print the trial.

    Returns:
        0.

    Raises:
        InputError: if the study has no such trial.
    """
    from vsam_tune.errors import InputError, problem
    from vsam_tune.study.storage.folder import study_folder
    from vsam_tune.study.storage.learning_curve import read_curve
    from vsam_tune.study.storage.stored_study import load_result

    result = load_result(arguments.study, arguments.root)
    if not 0 <= arguments.trial < len(result.trials):
        fix = f"{command_line('trials', arguments.study, root=arguments.root)} lists them"
        raise InputError(
            problem(
                result.name, "trial", arguments.trial, f"the study has {len(result.trials)} trials, counted from 0", fix
            )
        )
    record = result.trials[arguments.trial]
    facts = record.as_json()
    folder = study_folder(arguments.study, arguments.root) / record.folder if record.folder else None
    curve: list[dict[str, float]] = []
    if folder is not None:
        curve = read_curve(folder)
        facts["files"] = {path.name: str(path) for path in sorted(folder.iterdir())} if folder.exists() else {}
    if arguments.format == "json":
        sys.stdout.write(render_json({**facts, "learning_curve": curve}) + "\n")
        return 0
    log = (
        (folder / "log.txt").read_text(encoding="utf-8", errors="replace")
        if folder and (folder / "log.txt").exists()
        else ""
    )
    sys.stdout.write(_text(facts, curve, log))
    return 0


def _is_in_curve(name: str) -> bool:
    """Return whether the table of the learning curve has a metric; JSON contains all of them."""
    if name in METRICS:
        return name == "epoch" or METRICS[name].direction is not None
    return name != "time_ms" and not name.endswith("_error")


def _text(facts: dict[str, Any], curve: list[dict[str, float]], log: str) -> str:
    files, error, rungs = facts.pop("files", {}), facts.pop("error"), facts.pop("rungs")
    rows = [
        {"": name, "value": number_text(name, value)} for name, value in facts.items() if value not in (None, {}, [])
    ]
    parts = [render_rows(rows, ("", "value"), "table")]
    if curve:
        step = max(1, len(curve) // _CURVE_ROWS)
        kept = curve[:-1:step] + curve[-1:]
        names = sorted(filter(_is_in_curve, curve[-1]), key=lambda name: name != "epoch")
        parts.append("learning curve\n" + render_rows(kept, names, "table"))
    if rungs:
        rows = [{"rung": epoch, **row} for epoch, row in sorted(rungs.items())]
        parts.append("rungs\n" + render_rows(rows, [name for name in rows[-1] if name != "time"], "table"))
    if error:
        parts.append(f"error\n{error}")
    if log:
        parts.append(f"log\n{log.rstrip()}")
    if files:
        parts.append("files\n" + "\n".join(files.values()))
    if files and "checkpoint.pt" not in files:
        parts.append(
            "checkpoint: removed at the end of the trial. To have weights, export the configuration and train it"
        )
    return "\n\n".join(parts) + "\n"
