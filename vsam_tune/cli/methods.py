"""List the methods: what each costs, what it takes, where it comes from."""

import argparse
import sys
from dataclasses import asdict

from vsam_tune.cli.arguments import add_format
from vsam_tune.cli.render import render_rows
from vsam_tune.methods import METHODS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_format(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the methods; return 0."""
    rows = [
        {
            "name": name,
            "gradient_evaluations": method.gradient_evaluations,
            "cost": method.cost,
            "memory": method.memory,
            "hyperparameters": {key: asdict(setting) for key, setting in method.hyperparameters.items()}
            if arguments.format == "json"
            else {key: setting.default for key, setting in method.hyperparameters.items()},
            "fixed": method.fixed,
            "source": method.source,
        }
        for name, method in METHODS.items()
    ]
    columns = ("name", "gradient_evaluations", "cost", "hyperparameters", "source")
    sys.stdout.write(render_rows(rows, columns, arguments.format) + "\n")
    return 0
