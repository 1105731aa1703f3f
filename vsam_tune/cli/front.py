"""Print the front of a study: its trials, hypervolume and knee. Pick one, and export it for `vsam-tune train`."""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsam_tune.cli.arguments import add_format, add_study
from vsam_tune.cli.render import render_json, render_rows, spread_text
from vsam_tune.registry.never_adapted import NEVER_ADAPTED, NEVER_ADAPTED_FIX, rate_never_adapted

if TYPE_CHECKING:
    from vsam_tune.analysis.results import Noise, StudyResult, TrialRecord
    from vsam_tune.cli.render import Format

_SHOWN = ("sampled_fraction", "gradient_evaluations", "ideal_ais_vs_sam", "efficiency")  # where they are reported
_EFFICIENCY = (0.9, 1.1)  # within it a trial is as fast as its passes say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_study(parser)
    add_format(parser)
    parser.add_argument(
        "--noise",
        choices=("aware", "ignore"),
        default="aware",
        help="aware: also the trials beside the front that noise cannot exclude; ignore: the plain front (aware)",
    )
    parser.add_argument("--pick", metavar="RULE", help="choose a trial: knee, or trial=N")
    parser.add_argument("--export", type=Path, metavar="FILE", help="write the picked configuration (knee) to FILE")


def run(arguments: argparse.Namespace) -> int:
    """Print the front, or what was picked of it.

    Returns:
        0; 1 if no trial has completed.
    """
    from vsam_tune.study.storage.study_storage import load_result

    result = load_result(arguments.study, arguments.root)
    if not result.front():
        sys.stderr.write(f"{result.name}: no trial has completed. Fix: vsam-tune search {arguments.study}\n")
        return 1
    if arguments.pick is not None or arguments.export is not None:
        return _pick(result, arguments)
    write_front(result, arguments.format, arguments.noise)
    return 0


def write_front(result: "StudyResult", format: "Format", noise: "Noise" = "aware") -> None:  # noqa: A002 - named like the option
    """Write the front to stdout: rows, and for people the counts, the hypervolume and the knee below.

    Args:
        result: of a study with a front.
        format: one of `render.FORMATS`.
        noise: `aware` adds the trials that noise cannot exclude, marked, below the front.
    """
    if format == "json":
        sys.stdout.write(render_json(result.as_json(noise)) + "\n")
        return
    front, possible = result.front(), result.possible() if noise == "aware" else ()
    records = (*front, *possible)
    names = [each.name for each in result.objectives]
    reported = {name for record in records for name in record.metrics} - set(names)
    shown = [name for name in _SHOWN if name in reported]
    params = list(dict.fromkeys(name for record in records for name in record.params))
    cells = _exact if format == "csv" else _readable
    rows = [
        {
            "trial": record.number,
            **cells(record, (*names, *shown)),
            **record.params,
            "front": "yes" if record in front else "possible",
            "knee": "<- knee" if record.number == result.knee() else "",
        }
        for record in records
    ]
    errors = [f"errors.{name}" for name in names] if format == "csv" else []
    columns = ["trial", *names, *errors, *shown, *params, "front", "knee"]
    sys.stdout.write(render_rows(rows, columns, format) + "\n")
    if format == "table":
        sys.stdout.write("".join(f"{line}\n" for line in ("", *_remarks(result, front, possible, noise))))


def _exact(record: "TrialRecord", names: Sequence[str]) -> dict[str, Any]:
    """Return a trial's values and metrics with all digits, and the errors of its values as `errors.NAME`."""
    errors = {f"errors.{name}": error for name, error in record.errors.items()}
    return {name: record.values.get(name, record.metrics.get(name)) for name in names} | errors


def _readable(record: "TrialRecord", names: Sequence[str]) -> dict[str, Any]:
    """Return a trial's values and metrics, those with an error as `VALUE ± ERROR`."""
    from vsam_tune.analysis.results import standard_error

    cells: dict[str, Any] = {}
    for name in names:
        value, error = record.values.get(name, record.metrics.get(name)), standard_error(record.metrics, name)
        cells[name] = spread_text(name, value, error) if value is not None and error else value
    return cells


def _remarks(
    result: "StudyResult", front: Sequence["TrialRecord"], possible: Sequence["TrialRecord"], noise: "Noise"
) -> list[str]:
    """Return what is to be said below the table; one line each."""
    counts = ", ".join(f"{count} {state}" for state, count in result.counts().items() if count)
    corner = ", ".join(f"{name} {value:.4g}" for name, value in (result.effective_reference_point() or {}).items())
    fixed = "" if result.reference_point else ", provisional"
    volume = f"hypervolume {result.hypervolume():.6g} from ({corner}{fixed})"
    lines = [f"{len(front)} on the front of {result.name} ({counts}); {volume}"]
    if noise == "aware" and any(error for record in front for error in record.errors.values()):
        threshold = f"{result.front_quantile():.2f} standard errors of a difference"
        lines.append(
            f"{len(possible)} more that noise cannot exclude (possible), at {threshold}; ±: one standard error"
        )
    return [*lines, *_inefficient([*front, *possible]), *_never_adapted([*front, *possible])]


def _inefficient(records: Sequence["TrialRecord"]) -> list[str]:
    """Return a line on the trials that are not as fast as their gradient evaluations say, where there are any."""
    low, high = _EFFICIENCY
    found = {record.number: record.metrics.get("efficiency", math.nan) for record in records}
    outside = [f"trial {number} ({value:.2f})" for number, value in found.items() if value < low or value > high]
    if not outside:
        return []
    means = "below: it costs more than its passes; above: its passes cost less than SAM's"
    return [f"efficiency not within {low} to {high}: {', '.join(outside)}; {means}"]


def _never_adapted(records: Sequence["TrialRecord"]) -> list[str]:
    """Return a line on the trials whose sampling rate, meant to adapt, stayed the initial one, where there are any."""
    found = [record for record in records if rate_never_adapted(record.metrics)]
    listed = ", ".join(f"trial {record.number}" for record in found)
    return [f"{NEVER_ADAPTED}: {listed}. Fix, if it should: {NEVER_ADAPTED_FIX}"] if found else []


def _pick(result: "StudyResult", arguments: argparse.Namespace) -> int:
    import yaml

    from vsam_tune.atomic_file import write_text
    from vsam_tune.errors import InputError, problem
    from vsam_tune.study.file.study_file import export
    from vsam_tune.study.storage.study_storage import load_definition

    record = result.pick("knee" if arguments.pick is None else arguments.pick)
    study = load_definition(arguments.study, arguments.root)
    content = export(study, record.number, record.params, record.values)
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    if arguments.export is None:
        if arguments.format == "json":
            text = render_json(content) + "\n"
        sys.stdout.write(text)
        return 0
    try:
        write_text(arguments.export, text)
    except OSError as error:
        rule = f"cannot be written: {error.strerror}"
        raise InputError(problem("--export", "", str(arguments.export), rule, "name another file")) from error
    sys.stdout.write(
        f"trial {record.number} -> {arguments.export}\nnext: vsam-tune train {arguments.export} --seeds 3\n"
    )
    return 0
