"""Compare the hypervolumes of two or more studies with the same objectives.

All hypervolumes have the same reference point, from the trials of all studies. Studies that differ only in their names
and in the seeds of their samplers are repeats: they get a mean and a 95 % t-interval, and groups of them a difference.
JSON also has the attainment surfaces of each group.
"""

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vsam_tune.cli.arguments import add_format, add_root
from vsam_tune.cli.columns import number_text
from vsam_tune.cli.invocation import command_line
from vsam_tune.cli.render import render_json, render_rows
from vsam_tune.errors import InputError, problem

if TYPE_CHECKING:
    from vsam_tune.analysis.results import StudyResult
    from vsam_tune.analysis.study_comparison import GroupDifference, StudyComparison, StudyGroup

_COLUMNS = ("study", "group", "complete", "front", "epochs", "hours", "hypervolume", "hypervolume_at_equal_epochs")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "studies", nargs="+", metavar="STUDY", help="names of studies, or their study files; at least two"
    )
    parser.add_argument(
        "--reference-point",
        metavar="NAME=VALUE,...",
        help="measure the hypervolumes from here: a value of each objective (default: in each objective the worst"
        " complete trial of all studies, made worse by 10 %% of the range)",
    )
    add_root(parser)
    add_format(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the comparison.

    Returns:
        0; 1 if a study has no complete trial.

    Raises:
        InputError: if there are fewer than two studies, one is not there, or their objectives differ.
    """
    from vsam_tune.analysis.study_comparison import compare_studies
    from vsam_tune.study.file.repeats import differences, group_repeats
    from vsam_tune.study.storage.stored_study import load_result

    results = [load_result(study, arguments.root) for study in arguments.studies]
    _check(results)
    point = None if arguments.reference_point is None else _point(arguments.reference_point, results[0])
    empty = [result for result in results if not result.front()]
    if empty:
        fix = command_line("trials", empty[0].name, root=arguments.root)
        sys.stderr.write(f"{empty[0].name}: {empty[0].no_front_reason}. Fix: {fix} shows the state of the trials\n")
        return 1
    groups = group_repeats(results)
    differs = [differences(group[0], groups[0][0]) for group in groups]
    comparison = compare_studies(groups, differs, point)
    if arguments.format == "json":
        sys.stdout.write(render_json(comparison) + "\n")
        return 0
    sys.stdout.write(render_rows([dict(row) for row in comparison["studies"]], _COLUMNS, arguments.format) + "\n")
    if arguments.format == "table":
        running = {result.name: result.counts()["running"] for result in results}
        sys.stdout.write("".join(f"{line}\n" for line in ("", *_notes(comparison, running))))
    return 0


def _check(results: Sequence["StudyResult"]) -> None:
    """Refuse studies that cannot be compared.

    Raises:
        InputError: if there are fewer than two, one is named twice, or their objectives differ.
    """
    names = [result.name for result in results]
    if len(results) < 2:
        rule, fix = "needs a second study to compare with", command_line("compare-studies", names[0], "OTHER")
        raise InputError(problem(names[0], "", None, rule, fix))
    for index, result in enumerate(results):
        if result.name in names[:index]:
            raise InputError(problem(result.name, "", None, "is named twice", "name each study once"))
        if result.objectives != results[0].objectives:
            rule = f"differ from those of {names[0]}, {_objectives(results[0])}"
            fix = f"compare studies with the same objectives, so leave out {result.name}"
            raise InputError(problem(result.name, "objectives", None, f"{_objectives(result)} {rule}", fix))


def _point(text: str, result: "StudyResult") -> dict[str, float]:
    """Return the reference point that was given.

    Raises:
        InputError: if it is not one finite number for each objective.
    """
    parts = [part.partition("=") for part in text.split(",")]
    point = {name.strip(): _number(value) for name, _, value in parts}
    names = [each.name for each in result.objectives]
    if sorted(point) != sorted(names) or len(parts) != len(names) or not all(map(math.isfinite, point.values())):
        rule = f"must be a number for each objective: {', '.join(names)}"
        example = _point_text(result.effective_reference_point() or {})
        raise InputError(problem("--reference-point", "", text, rule, f"write --reference-point {example}"))
    return {name: point[name] for name in names}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _point_text(point: Mapping[str, float]) -> str:
    return ",".join(f"{name}={value:.4g}" for name, value in point.items())


def _objectives(result: "StudyResult") -> str:
    return ", ".join(f"{each.name} ({each.direction})" for each in result.objectives)


def _notes(comparison: "StudyComparison", running: dict[str, int]) -> list[str]:
    """Return the lines below the table: the reference point, the groups and their differences."""
    corner = ", ".join(f"{name} {number_text(name, value)}" for name, value in comparison["reference_point"].items())
    lines = [
        f"Reference point of all studies: {corner}.",
        f"Equal epochs: {comparison['equal_epochs']:,}, as many as the study with the fewest trained.",
        *_closer(comparison),
        *(f"{name} has not ended: {count} running." for name, count in running.items() if count),
        *(_group(group) for group in comparison["groups"] if len(group["studies"]) > 1 or group["differs"]),
        *(_difference(each) for each in comparison["differences"]),
    ]
    if any(
        each["interval"] or each["interval_at_equal_epochs"]
        for each in (*comparison["groups"], *comparison["differences"])
    ):
        lines.append("Brackets are 95 % t-intervals over the repeats, not corrected for the number of comparisons.")
    return lines


def _closer(comparison: "StudyComparison") -> list[str]:
    """Return a line that proposes a closer reference point, where the pooled one hides the differences."""
    closer = comparison["closer_reference_point"]
    if closer is None:
        return []
    return [
        "Trials with extreme values took the reference point far from the fronts, so the hypervolumes hardly differ."
        f" Fix: add --reference-point {_point_text(closer)}"
    ]


def _group(group: "StudyGroup") -> str:
    repeats = f" ({len(group['studies'])} repeats: {', '.join(group['studies'])})" if len(group["studies"]) > 1 else ""
    differs = f"; differs in {', '.join(group['differs'])}" if group["differs"] else ""
    return f"{group['group']}{repeats}: hypervolume {_values(group)}{differs}."


def _difference(difference: "GroupDifference") -> str:
    paired = ", paired by the seed of the sampler" if difference["paired"] and difference["interval"] else ""
    return f"{difference['group']} less {difference['less']}: {_values(difference, sign='+')}{paired}."


def _values(found: "StudyGroup | GroupDifference", sign: str = "") -> str:
    whole = _with_interval(found["hypervolume"], found["interval"], sign)
    equal = _with_interval(found["hypervolume_at_equal_epochs"], found["interval_at_equal_epochs"], sign)
    return whole if whole == equal else f"{whole}, at equal epochs {equal}"


def _with_interval(value: float, interval: tuple[float, float] | None, sign: str) -> str:
    if interval is None:
        return f"{value:{sign}.4g}"
    return f"{value:{sign}.4g} [{interval[0]:{sign}.4g}, {interval[1]:{sign}.4g}]"
