"""List the parameters that a search varies for each method.

Those with `searched` vary by default; `space: {NAME: true}` in a study file adds one of the others.
"""

import argparse
import sys

from vsam_tune.cli.arguments import add_format
from vsam_tune.cli.render import render_rows
from vsam_tune.registry.methods import METHODS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("method", nargs="*", metavar="METHOD", type=_method, help="methods to list (default: all)")
    add_format(parser)


def _method(name: str) -> str:
    """Return the name of a method.

    Raises:
        argparse.ArgumentTypeError: if there is no method of this name.
    """
    if name not in METHODS:
        raise argparse.ArgumentTypeError(f"invalid choice: {name!r} (choose from {', '.join(METHODS)})")
    return name


def run(arguments: argparse.Namespace) -> int:
    """Print the dimensions; return 0."""
    from search_spaces.loader import default_space

    rows = []
    for method in arguments.method or METHODS:
        space = default_space(method)
        for searched, dimensions in ((True, space.searched), (False, space.optional)):
            rows += [
                {
                    "method": method,
                    "parameter": name,
                    "searched": searched,
                    **dimension.model_dump(exclude_none=True),
                }
                for name, dimension in dimensions.items()
            ]
    columns = ("method", "parameter", "searched", "type", "low", "high", "log", "choices", "when")
    sys.stdout.write(render_rows(rows, columns, arguments.format) + "\n")
    return 0
