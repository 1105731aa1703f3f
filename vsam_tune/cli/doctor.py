"""Check this machine or a Ray cluster: versions, cores, memory, disk, GPUs, and other users of them.

On this machine, ten seconds of training also measure how reliable AIS (average images per second) is: how much it
varies, how much two trials at the same time slow each other, and how many trials to run at the same time.
"""

import argparse
import sys

from vsam_tune.cli.arguments import add_format
from vsam_tune.cli.render import render_rows


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--address", metavar="HOST:PORT", help="address of a running Ray cluster (default: this machine)"
    )
    parser.add_argument("--quick", action="store_true", help="skip the measurement of AIS")
    add_format(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one line for each check.

    Returns:
        0; 1 if something that a search needs is missing.
    """
    from vsam_tune.study.doctor import examine

    rows = examine(arguments.address, quick=arguments.quick)
    sys.stdout.write(render_rows(rows, ("what", "found", "fine", "fix"), arguments.format) + "\n")
    return 0 if all(row["fine"] for row in rows if row["needed"]) else 1
