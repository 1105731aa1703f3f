"""List the networks: number of parameters (for ten classes), options and source."""

import argparse
import sys

from vsam_tune.cli.arguments import add_format
from vsam_tune.cli.render import render_rows
from vsam_tune.registry.data_and_models import MODELS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_format(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the models; return 0."""
    from vsam_tune.models.build import build_shapes, count_parameters

    rows = [
        {
            "name": name,
            "parameters": count_parameters(build_shapes(name, num_classes=10)),
            "options": entry.options,
            "source": entry.source,
        }
        for name, entry in MODELS.items()
    ]
    sys.stdout.write(render_rows(rows, ("name", "parameters", "options", "source"), arguments.format) + "\n")
    return 0
