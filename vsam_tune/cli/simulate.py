"""Replay a search on recorded learning curves, with other samplers, trial schedulers and numbers of workers.

The curves are those of a finished study, or of a file that ends in .npz. Nothing is trained: the search's own classes
run on a simulated clock. The hypervolume is a part of that of all recorded trials.

example: vsam-tune simulate mine --schedulers fifo,mo_asha --workers 1,16
"""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from vsam_tune.cli.arguments import add_format, add_study, comma_separated, positive
from vsam_tune.cli.render import render_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vsam_tune.study.simulation.recording import Recording

_COLUMNS = (
    "data", "sampler", "scheduler", "guard", "workers", "epochs", "seconds", "hypervolume_mean", "hypervolume_interval",
    "finished", "started",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_study(parser)
    add_format(parser)
    parser.add_argument(
        "--samplers",
        type=comma_separated,
        default=["random"],
        metavar="NAMES",
        help="such as random,tpe (default: random)",
    )
    parser.add_argument(
        "--schedulers",
        type=comma_separated,
        default=["fifo", "mo_asha"],
        metavar="NAMES",
        help="of fifo, asha, asha-promotion, mo_asha, mo_asha-promotion (default: fifo,mo_asha)",
    )
    parser.add_argument("--guard", choices=("on", "off", "both"), default="on", help="of the rungs (default: on)")
    parser.add_argument("--workers", type=_counts, default=[1], metavar="N,...", help="trials at a time (default: 1)")
    parser.add_argument("--repeats", type=positive, default=10, metavar="R", help="searches of each kind (default: 10)")
    parser.add_argument(
        "--trainings",
        type=_counts,
        default=[20, 40],
        metavar="N,...",
        help="look when the epochs of so many full trainings are spent (default: 20,40)",
    )
    parser.add_argument("--min-epochs", type=positive, default=1, metavar="N", help="the first rung (default: 1)")
    parser.add_argument("--reduction-factor", type=positive, default=3, metavar="ETA", help="(default: 3)")
    parser.add_argument(
        "--objectives",
        type=comma_separated,
        default=[],
        metavar="NAMES",
        help="instead of those of the study; NAME:minimize",
    )
    parser.add_argument(
        "--data", type=comma_separated, default=[], metavar="NAMES", help="of the tasks in a file (default: all)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the first repeat (default: 0)")
    parser.add_argument("--processes", type=positive, metavar="N", help="(default: one for each core)")


def _counts(text: str) -> list[int]:
    """Return the whole numbers of a list with commas.

    Raises:
        argparse.ArgumentTypeError: if one is something else.
    """
    return [positive(name) for name in comma_separated(text)]


def run(arguments: argparse.Namespace) -> int:
    """Print a row for each combination, and what each rung would have lost.

    Returns:
        0.

    Raises:
        InputError: if nothing can be replayed, or an option names nothing.
    """
    from rich.console import Console
    from rich.progress import track

    from vsam_tune.machine.hardware import cores
    from vsam_tune.study.simulation.recording import read_recordings
    from vsam_tune.study.simulation.table import cases, table, would_have_stopped

    recordings = _chosen(read_recordings(arguments.study, arguments.root, arguments.objectives), arguments.data)
    rungs = {"min_epochs": arguments.min_epochs, "reduction_factor": arguments.reduction_factor}
    _check_rungs(recordings, rungs)
    found = cases(
        recordings,
        samplers=arguments.samplers,
        schedulers=arguments.schedulers,
        guards=["on", "off"] if arguments.guard == "both" else [arguments.guard],
        workers=arguments.workers,
        rungs=rungs,
    )
    processes = arguments.processes or max(1, int(cores().usable))
    simulated = table(
        found, repeats=arguments.repeats, trainings=arguments.trainings, seed=arguments.seed, processes=processes
    )
    console = Console(file=sys.stderr)
    rows = [
        row
        for some in track(simulated, "simulating", total=len(found), console=console, disable=not sys.stderr.isatty())
        for row in some
    ]
    if arguments.format != "table":
        sys.stdout.write(render_rows(rows, _COLUMNS, arguments.format) + "\n")
        return 0
    lost = [row for recording in recordings for row in would_have_stopped(recording, rungs)]
    sys.stdout.write(render_rows(rows, _COLUMNS, "table") + "\n\n" + "".join(f"{_line(row)}\n" for row in lost))
    return 0


def _line(row: dict[str, Any]) -> str:
    taus = ", ".join(f"{name} {'-' if tau is None else f'{tau:.2f}'}" for name, tau in row["tau"].items())
    stopped = f"stops {len(row['lost'])} trials of the front and loses {100 * row['loss']:.0f} % of the hypervolume"
    return f"{row['data']}: the rung at epoch {row['epoch']} over all trials {stopped}; tau: {taus}"


def _chosen(recordings: "Sequence[Recording]", names: "Sequence[str]") -> "Sequence[Recording]":
    """Return the recordings of these names; all of them without any.

    Raises:
        InputError: if there is none of a name.
    """
    from vsam_tune.errors import InputError, problem

    known = [each.name for each in recordings]
    for name in names:
        if name not in known:
            raise InputError(problem("--data", "", name, "was not recorded", f"one of {', '.join(known)}"))
    return [each for each in recordings if not names or each.name in names]


def _check_rungs(recordings: "Sequence[Recording]", rungs: dict[str, int]) -> None:
    """Refuse rungs that stop no trial.

    Raises:
        InputError: if the first one is not below the last epoch, or the factor is below 2.
    """
    from vsam_tune.errors import InputError, problem

    if rungs["reduction_factor"] < 2:
        value = rungs["reduction_factor"]
        raise InputError(problem("--reduction-factor", "", value, "must be a whole number >= 2", "write 3"))
    for each in recordings:
        if rungs["min_epochs"] >= each.epochs:
            rule = f"must be < {each.epochs}, the epochs of {each.name}"
            raise InputError(problem("--min-epochs", "", rungs["min_epochs"], rule, "write fewer"))
