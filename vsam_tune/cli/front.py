"""Print the front of a study: its trials, the hypervolume and the knee.

With --pick or --export, print the configuration of one trial instead, or write it to a file for `vsam-tune train`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsam_tune.cli.arguments import add_format, add_study, comma_separated
from vsam_tune.cli.columns import Spread
from vsam_tune.cli.front_importances import write_importances
from vsam_tune.cli.front_notes import front_notes
from vsam_tune.cli.invocation import command_line
from vsam_tune.cli.render import render_json, render_rows
from vsam_tune.errors import InputError, nearest, problem
from vsam_tune.registry.metrics import METRICS, SHOWN

if TYPE_CHECKING:
    from vsam_tune.analysis.results import Noise, StudyResult, TrialRecord
    from vsam_tune.cli.render import Format

_ALL = ("all",)
_BY_TRIAL = Path()  # of --export: a file that is named after the trial
_IN_CSV = ("sampled_fraction", "gradient_evaluations", "ideal_ais_vs_sam", "efficiency")  # where they are reported


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_study(parser)
    add_format(parser)
    parser.add_argument(
        "--columns",
        type=comma_separated,
        metavar="COLUMNS",
        help="'all', or names of columns separated by commas (default: objectives, sampled_fraction, parameters)",
    )
    parser.add_argument(
        "--include-possible",
        action="store_true",
        help="also list the trials that may be optimal given the measurement noise",
    )
    parser.add_argument(
        "--noise",
        choices=("aware", "ignore"),
        default="aware",
        help="ignore: take the measured values as exact, so that no other trial may be optimal (default: aware)",
    )
    parser.add_argument(
        "--importances",
        action="store_true",
        help="print how much each hyper-parameter decides on each objective, instead of the front",
    )
    parser.add_argument(
        "--pick",
        metavar="PICK",
        help="print the configuration of one trial: knee; trial=N; within=X (the best in objective 2 that loses at most"
        " X to the best in objective 1); min-NAME=V or max-NAME=V (the best with objective NAME at least or at most V)",
    )
    parser.add_argument(
        "--export",
        type=Path,
        nargs="?",
        const=_BY_TRIAL,
        metavar="FILE",
        help="write that configuration (default: knee) to FILE, or without FILE to STUDY-trialN.yaml",
    )
    parser.add_argument("--force", action="store_true", help="let --export replace a file with other content")


def run(arguments: argparse.Namespace) -> int:
    """Print the front, or the configuration that was picked from it.

    Returns:
        0; 1 if no trial has completed.

    Raises:
        InputError: if options exclude each other.
    """
    from vsam_tune.study.storage.stored_study import load_result

    if arguments.columns and arguments.format == "json":
        raise InputError(problem("--columns", "", None, "JSON contains all columns", "remove --columns"))
    if arguments.include_possible and arguments.noise == "ignore":
        rule = "excludes --noise ignore, which takes the measured values as exact"
        raise InputError(problem("--include-possible", "", None, rule, "remove one of the two"))
    _check_importances(arguments)
    result = load_result(arguments.study, arguments.root)
    if not result.front():
        fix = command_line("trials", arguments.study, root=arguments.root)
        sys.stderr.write(f"{result.name}: {result.no_front_reason}. Fix: {fix} shows the state of the trials\n")
        return 1
    if arguments.importances:
        return write_importances(result, arguments)
    if arguments.pick is not None or arguments.export is not None:
        return _pick(result, arguments)
    write_front(
        result,
        arguments.format,
        arguments.noise,
        columns=arguments.columns,
        include_possible=arguments.include_possible,
    )
    return 0


def _check_importances(arguments: argparse.Namespace) -> None:
    """Refuse options that say something about the front, which --importances does not print.

    Raises:
        InputError: if there is one.
    """
    given = {
        "--pick": arguments.pick is not None,
        "--export": arguments.export is not None,
        "--columns": arguments.columns is not None,
        "--include-possible": arguments.include_possible,
    }
    if arguments.importances and any(given.values()):
        other = next(option for option, is_given in given.items() if is_given)
        rule = f"excludes {other}: it prints the importances instead of the front"
        raise InputError(problem("--importances", "", None, rule, "remove one of the two"))


def write_front(
    result: "StudyResult",
    format: "Format",  # noqa: A002 - named like the option
    noise: "Noise" = "aware",
    *,
    columns: Sequence[str] | None = None,
    include_possible: bool = False,
) -> None:
    """Write the front to stdout as a table, or in another format; below a table notes for people.

    Args:
        result: of a study with a front.
        format: one of `render.FORMATS`. JSON and CSV also contain the trials that may be optimal.
        noise: `ignore` leaves out the trials that may be optimal.
        columns: names, or `all`; None for those that a person needs to choose, and in CSV for a fixed list.
        include_possible: whether tables also list the trials that may be optimal.

    Raises:
        InputError: if there is no column of a name.
    """
    if format == "json":
        from vsam_tune.analysis.front_json import front_json

        sys.stdout.write(render_json(front_json(result, noise)) + "\n")
        return
    front, possible = result.front(), result.possibly_optimal() if noise == "aware" else ()
    records = (*front, *possible) if include_possible or format == "csv" else front
    cells = _exact if format == "csv" else _readable
    names = _shown_columns(result, records, columns, is_csv=format == "csv", include_possible=include_possible)
    rows = [
        {
            "trial": record.number,
            **record.params,
            **cells(record),
            "front": "yes" if record in front else "possible",
            "knee": "<- knee" if record.number == result.knee() else "",
        }
        for record in records
    ]
    sys.stdout.write(render_rows(rows, names, format) + "\n")
    if format == "table":
        notes = front_notes(result, front, possible, records, noise=noise)
        sys.stdout.write("".join(f"{line}\n" for line in ("", *notes)))


def _shown_columns(
    result: "StudyResult",
    records: Sequence["TrialRecord"],
    asked: Sequence[str] | None,
    *,
    is_csv: bool,
    include_possible: bool,
) -> list[str]:
    """Return the names of the columns in their order.

    Raises:
        InputError: if there is no column of a name that was asked for.
    """
    objectives = [each.name for each in result.objectives]
    reported = {name for record in records for name in record.metrics}
    params = list(dict.fromkeys(name for record in records for name in record.params))
    metrics = [name for name in (*METRICS, *sorted(reported - METRICS.keys())) if name in reported]
    every = _unique("trial", *objectives, *(name for name in metrics if not name.endswith("_error")), *params)
    every += ["front", "knee"]
    if asked is not None and tuple(asked) != _ALL:
        return _known(asked, _unique(*every, *metrics, *(f"errors.{name}" for name in objectives)))
    if asked is not None:
        return every
    if is_csv:
        shown = [name for name in _IN_CSV if name in reported]
        return _unique(
            "trial", *objectives, *(f"errors.{name}" for name in objectives), *shown, *params, "front", "knee"
        )
    shown = [name for name in SHOWN if name in reported]
    return _unique("trial", *objectives, *shown, *params, *(["front"] if include_possible else []), "knee")


def _known(asked: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the names that were asked for.

    Raises:
        InputError: if one of them does not exist.
    """
    for name in asked:
        if name not in names:
            near = nearest(name, names)
            fix = f"write {near}" if near else f"write all, or some of {', '.join(names)}"
            raise InputError(problem("--columns", "", name, "there is no such column", fix))
    return list(asked)


def _unique(*names: str) -> list[str]:
    return list(dict.fromkeys(names))


def _exact(record: "TrialRecord") -> dict[str, Any]:
    """Return a trial's values and metrics with all digits, and the errors of its values as `errors.NAME`."""
    return {**record.metrics, **record.values, **{f"errors.{name}": error for name, error in record.errors.items()}}


def _readable(record: "TrialRecord") -> dict[str, Any]:
    """Return a trial's values and metrics; objectives with their standard errors."""
    errors = {f"errors.{name}": error for name, error in record.errors.items()}
    spreads = {name: Spread(value, record.errors[name] or None) for name, value in record.values.items()}
    return {**record.metrics, **errors, **spreads}


def _pick(result: "StudyResult", arguments: argparse.Namespace) -> int:
    from vsam_tune.analysis.picks import pick
    from vsam_tune.atomic_file import write_text
    from vsam_tune.study.file.strict_yaml import to_yaml
    from vsam_tune.study.file.study_file import export
    from vsam_tune.study.storage.stored_study import load_definition

    record = pick(result, "knee" if arguments.pick is None else arguments.pick)
    study = load_definition(arguments.study, arguments.root)
    content = export(study, record.number, record.params, record.values)
    text = to_yaml(content)
    if arguments.export is None:
        if arguments.format == "json":
            text = render_json(content) + "\n"
        sys.stdout.write(text)
        return 0
    by_trial = arguments.export == _BY_TRIAL
    file = Path(f"{result.name}-trial{record.number}.yaml") if by_trial else arguments.export
    try:
        if not arguments.force and file.is_file() and file.read_bytes() != text.encode("utf-8"):
            rule, fix = "exists and has other content", "name another file, or replace it with --force"
            raise InputError(problem("--export", "", str(file), rule, fix))
        write_text(file, text)
    except OSError as error:
        rule = f"cannot be written: {error.strerror}"
        raise InputError(problem("--export", "", str(file), rule, "name another file")) from error
    next_step = command_line("train", file, "--seeds", 3)
    sys.stdout.write(f"trial {record.number} -> {file}\nnext: {next_step}\n")
    return 0
