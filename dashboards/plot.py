"""Draw the front of a study, or its baselines, into one file: HTML that needs no network, or PNG."""

import argparse
import importlib.util
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vsam_tune.atomic_file import write_bytes, write_text
from vsam_tune.cli.arguments import add_study
from vsam_tune.errors import InputError, problem

if TYPE_CHECKING:
    import plotly.graph_objects as go

# Without these plotly shows a button that uploads the figure, data included, to a public service.
_CONFIG = {"showSendToCloud": False, "displaylogo": False, "responsive": True}
_PNG_SIZE = {"width": 1000, "height": 700, "scale": 2}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_study(parser)
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FILE", help="the file to write; its name ends in .html or .png"
    )
    parser.add_argument(
        "--baselines",
        action="store_true",
        help="draw the test accuracy of the baselines against seconds and gradient evaluations, instead of the front",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the figure; it replaces an older file of that name.

    Args:
        arguments: `study`, `out`, `root` and `baselines`.

    Returns:
        The exit status, 0.

    Raises:
        InputError: if there is no such study, or the file cannot be written on this machine.
    """
    write = _writer(arguments.out)  # a problem with the file shows before the study is read
    name, figure = (_baselines if arguments.baselines else _front)(arguments.study, arguments.root)
    try:
        write(figure, arguments.out)
    except OSError as error:
        rule = f"cannot be written: {error.strerror}"
        raise InputError(problem("--out", "", str(arguments.out), rule, "name another file")) from error
    sys.stderr.write(f"wrote {name} to {arguments.out}\n")
    return 0


def _front(study: str, root: Path) -> tuple[str, "go.Figure"]:
    """Return the title of the figure, and the figure."""
    from dashboards.figures.front import front_figure  # noqa: PLC0415 - plotly
    from vsam_tune.study.storage.stored_study import load_result  # noqa: PLC0415 - Optuna

    result = load_result(study, root)
    return f"the front of {result.name}", front_figure(result)


def _baselines(study: str, root: Path) -> tuple[str, "go.Figure"]:
    """Return the title of the figure, and the figure."""
    from dashboards.figures.comparison import comparison_figure  # noqa: PLC0415 - plotly
    from vsam_tune.analysis.comparison import compare  # noqa: PLC0415 - scipy
    from vsam_tune.study.storage.stored_study import load_baselines  # noqa: PLC0415 - Optuna

    result = load_baselines(study, root)
    return f"the baselines of {result.name}", comparison_figure(compare(result))


def _writer(out: Path) -> Callable[["go.Figure", Path], None]:
    """Return the writer of the format that the file's name asks for.

    Raises:
        InputError: if the format is unknown, or kaleido is missing.
    """
    if not out.parent.is_dir():
        raise InputError(
            problem("--out", "", str(out), "its folder does not exist", f"mkdir -p {shlex.quote(str(out.parent))}")
        )
    if out.suffix == ".html":
        return _write_html
    if out.suffix != ".png":
        raise InputError(problem("--out", "", str(out), "must end in .html or .png", "write --out front.html"))
    if importlib.util.find_spec("kaleido") is None:
        fix = "install kaleido with pip, or write --out FILE.html"
        raise InputError(problem("--out", "", str(out), "a PNG needs kaleido, which is not installed", fix))
    return _write_png


def _write_html(figure: "go.Figure", out: Path) -> None:
    page = figure.to_html(
        config=_CONFIG, include_plotlyjs=True, include_mathjax=False, default_height="95vh", div_id="front"
    )
    write_text(out, page)


def _write_png(figure: "go.Figure", out: Path) -> None:
    """Write a PNG through kaleido.

    Raises:
        InputError: if kaleido finds no browser to draw with.
    """
    try:
        image = figure.to_image(format="png", **_PNG_SIZE)
    except RuntimeError as error:  # plotly raises this if kaleido finds no Chrome
        fix = "install Chrome or Chromium, or write --out FILE.html"
        raise InputError(problem("--out", "", str(out), "kaleido found no browser to draw with", fix)) from error
    write_bytes(out, image)
