"""Say what this machine, or a Ray cluster, can do, and what AIS is worth on it.

Versions, cores, memory, disk, GPUs; who else uses them now. On this machine it also times short bursts of training for
ten seconds: how much AIS varies, what two trials side by side cost each, and how many to run.
"""

import argparse
import sys

from vsam_tune.cli.arguments import add_format
from vsam_tune.cli.render import render_rows


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--address", metavar="HOST:PORT", help="an existing Ray cluster (this machine)")
    parser.add_argument("--quick", action="store_true", help="time nothing")
    add_format(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one line a problem.

    Returns:
        0; 1 if something that a search needs is not there.
    """
    from vsam_tune.study.doctor import examine

    rows = examine(arguments.address, quick=arguments.quick)
    sys.stdout.write(render_rows(rows, ("what", "found", "fine", "fix"), arguments.format) + "\n")
    return 0 if all(row["fine"] for row in rows if row["needed"]) else 1
