"""Say what this machine, or a Ray cluster, can do: versions, processors, memory, disk, devices, data sets at hand."""

import argparse
import sys

from vsam_tune.cli.arguments import add_format
from vsam_tune.cli.render import render_rows


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--address", metavar="HOST:PORT", help="an existing Ray cluster (this machine)")
    add_format(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one line a finding.

    Returns:
        0; 1 if something that a search needs is not there.
    """
    from vsam_tune.study.doctor import examine

    rows = examine(arguments.address)
    sys.stdout.write(render_rows(rows, ("what", "found", "fine", "cure"), arguments.format) + "\n")
    return 0 if all(row["fine"] for row in rows) else 1
