"""Print the front of a study: its trials, hypervolume and knee. Pick one, and export it for `vsam-tune train`."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vsam_tune.cli.arguments import add_format, add_study
from vsam_tune.cli.render import render_json, render_rows

if TYPE_CHECKING:
    from vsam_tune.results import StudyResult


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_study(parser)
    add_format(parser)
    parser.add_argument("--pick", metavar="RULE", help="choose a trial: knee, or trial=N")
    parser.add_argument("--export", type=Path, metavar="FILE", help="write the picked configuration (knee) to FILE")


def run(arguments: argparse.Namespace) -> int:
    """Print the front, or what was picked of it.

    Returns:
        0; 1 if no trial has completed.
    """
    from vsam_tune.study.storage import load_result

    result = load_result(arguments.study, arguments.root)
    if not result.front():
        sys.stderr.write(f"{result.name}: no trial has completed. Cure: vsam-tune search {arguments.study}\n")
        return 1
    if arguments.pick is not None or arguments.export is not None:
        return _pick(result, arguments)
    write_front(result, arguments.format)
    return 0


def write_front(result: "StudyResult", format: str) -> None:  # noqa: A002 - named like the option
    """Write the front to stdout: rows, and for people the counts, the hypervolume and the knee below."""
    if format == "json":
        sys.stdout.write(render_json(result.as_json()) + "\n")
        return
    names = [each.name for each in result.objectives]
    reported = {name for record in result.front() for name in record.metrics} - set(names)
    shown = [name for name in ("sampled_fraction", "gradient_evaluations") if name in reported]
    params = list(dict.fromkeys(name for record in result.front() for name in record.params))
    rows = [
        {
            "trial": record.number,
            **record.values,
            **{name: record.metrics.get(name) for name in shown},
            **record.params,
            "knee": "<- knee" if record.number == result.knee() else "",
        }
        for record in result.front()
    ]
    sys.stdout.write(render_rows(rows, ["trial", *names, *shown, *params, "knee"], format) + "\n")  # type: ignore[arg-type] # argparse's choices are Format
    if format == "table":
        counts = ", ".join(f"{count} {state}" for state, count in result.counts().items() if count)
        corner = ", ".join(f"{name} {value:.4g}" for name, value in (result.effective_reference_point() or {}).items())
        fixed = "" if result.reference_point else ", provisional"
        volume = f"hypervolume {result.hypervolume():.6g} from ({corner}{fixed})"
        sys.stdout.write(f"\n{len(rows)} on the front of {result.name} ({counts}); {volume}\n")


def _pick(result: "StudyResult", arguments: argparse.Namespace) -> int:
    import yaml

    from vsam_tune.errors import InputError, finding
    from vsam_tune.study.config import export, load_study
    from vsam_tune.study.storage import RESOLVED, study_folder

    record = result.pick("knee" if arguments.pick is None else arguments.pick)
    study = load_study(study_folder(arguments.study, arguments.root) / RESOLVED)
    content = export(study, record.number, record.params, record.values)
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    if arguments.export is None:
        if arguments.format == "json":
            text = render_json(content) + "\n"
        sys.stdout.write(text)
        return 0
    try:
        arguments.export.write_text(text)
    except OSError as error:
        rule = f"cannot be written: {error.strerror}"
        raise InputError(finding("--export", "", str(arguments.export), rule, "name another file")) from error
    sys.stdout.write(
        f"trial {record.number} -> {arguments.export}\nnext: vsam-tune train {arguments.export} --seeds 3\n"
    )
    return 0
