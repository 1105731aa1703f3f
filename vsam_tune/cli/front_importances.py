"""The table of `front --importances`: which hyper-parameters moved which objective."""

import sys
from typing import TYPE_CHECKING

from vsam_tune.cli.invocation import command_line
from vsam_tune.cli.render import render_json, render_rows

if TYPE_CHECKING:
    import argparse

    from vsam_tune.analysis.results import StudyResult
    from vsam_tune.study.storage.importances import Importances

_DECIMALS = 3


def write_importances(result: "StudyResult", arguments: "argparse.Namespace") -> int:
    """Write the importances to stdout; JSON has them as a key of the front's object.

    Returns:
        0; 1 where a table has too few trials.
    """
    from vsam_tune.analysis.front_json import front_json
    from vsam_tune.study.storage.importances import FEWEST_TRIALS
    from vsam_tune.study.storage.stored_study import load_importances

    found = load_importances(arguments.study, arguments.root)
    if arguments.format == "json":
        sys.stdout.write(render_json(front_json(result, arguments.noise) | {"importances": found}) + "\n")
        return 0
    if not found["objectives"]:
        wanted = len(result.trials) + FEWEST_TRIALS
        more = command_line("search", result.name, "--trials", wanted, root=arguments.root)
        sys.stderr.write(
            f"{result.name}: importances need {FEWEST_TRIALS} complete trials, but there are {found['trials']}."
            f" Fix: {more}\n"
        )
        return 1
    params = list(dict.fromkeys(name for shares in found["objectives"].values() for name in shares))
    columns = ["parameter", *(f"importance.{name}" for name in found["objectives"])]
    rows = [
        {
            "parameter": param,
            **{
                f"importance.{name}": shares[param] if arguments.format == "csv" else round(shares[param], _DECIMALS)
                for name, shares in found["objectives"].items()
            },
        }
        for param in params
    ]
    sys.stdout.write(render_rows(rows, columns, arguments.format) + "\n")
    if arguments.format == "table":
        sys.stdout.write("".join(f"{line}\n" for line in ("", *_notes(found))))
    return 0


def _notes(found: "Importances") -> list[str]:
    best = f"{100 * (found['best'] or 0):.0f} %"
    lines = [
        f"How much each parameter decides whether a trial is among the best {best} in an objective; columns sum to 1.",
        f"PED-ANOVA over {found['trials']} complete trials, within the region that the sampler explored.",
    ]
    without = [name for name, shares in found["objectives"].items() if not any(shares.values())]
    if without:
        lines.append(f"The best trials in {', '.join(without)} have the same parameters as all trials.")
    return lines
