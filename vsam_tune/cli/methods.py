"""List the methods: cost, memory, hyper-parameters with their defaults, and source."""

import argparse
import sys
from dataclasses import asdict
from typing import Any

from vsam_tune.cli.arguments import add_format
from vsam_tune.cli.render import render_rows
from vsam_tune.registry.methods import METHODS

COLUMNS = ("name", "gradient_evaluations", "forward_passes", "cost", "memory", "hyperparameters", "source")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_format(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the methods; return 0. JSON has everything in METHODS, such as the bounds of a hyper-parameter."""
    rows: list[dict[str, Any]] = [{"name": name, **asdict(method)} for name, method in METHODS.items()]
    if arguments.format != "json":
        for row in rows:
            row["hyperparameters"] = {key: setting["default"] for key, setting in row["hyperparameters"].items()}
    sys.stdout.write(render_rows(rows, COLUMNS, arguments.format) + "\n")
    return 0
