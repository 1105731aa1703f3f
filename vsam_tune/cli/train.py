"""Train the configuration of FILE on the whole training set (validation part included), with several seeds.

FILE is the output of `vsam-tune front --export`, or a few lines written by hand. Reports test accuracy and AIS (average
images per second), with means and standard deviations over the seeds. Repeat the command to resume a training.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsam_tune.cli.arguments import ONE_AT_A_TIME, add_data, add_engine, add_format, add_settings, overrides, seeds
from vsam_tune.cli.columns import number_text
from vsam_tune.cli.render import render_json, render_rows

if TYPE_CHECKING:
    from vsam_tune.analysis.results import StudyResult
    from vsam_tune.study.file.sections import Resources

_SUMMARIZED = ("test_accuracy", "ais", "ais_vs_sam", "sampled_fraction", "gradient_evaluations")
_ONLY_IN_JSON = ("test_accuracy_error", "ais_error", "ais_vs_sam_error", "ideal_ais_vs_sam", "efficiency")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", type=Path, metavar="FILE", help="an exported configuration")
    add_settings(parser)
    parser.add_argument("--seeds", type=seeds, default=1, metavar="N", help="number of seeds (default: 1)")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for state and checkpoints (default: runs/FILE.train)"
    )
    parser.add_argument("--cpus", type=float, default=1.0, metavar="N", help="processors of one training (default: 1)")
    parser.add_argument(
        "--gpus", type=float, default=0.0, metavar="N", help="GPUs of one training, such as 1 or 0.5 (default: 0)"
    )
    parser.add_argument("--tracking-uri", metavar="URI", help="MLflow tracking URI (default: a file in DIR)")
    add_data(parser)
    add_format(parser)
    add_engine(parser, workers=ONE_AT_A_TIME)


def run(arguments: argparse.Namespace) -> int:
    """Train, then print the replicates, their means and standard deviations.

    Returns:
        0; 1 if a replicate failed or diverged.
    """
    from vsam_tune.cli.progress import Progress
    from vsam_tune.study.file.study_file import load_export
    from vsam_tune.study.final_training import final_plan, train

    export = load_export(arguments.file, overrides(arguments))
    out = arguments.out or Path("runs") / f"{arguments.file.stem}.train"
    resources = _resources(arguments)
    name = out.absolute().name  # `.` has none
    tracking_uri = _tracking_uri(arguments.tracking_uri)
    plan = final_plan(export, name, seeds=arguments.seeds, resources=resources, tracking_uri=tracking_uri)
    with Progress(["test_accuracy", "ais"]) as progress:
        result = train(export, plan, out, listeners=[progress], workers=arguments.workers, address=arguments.address)
    summary = summarize(result, out)
    if arguments.format == "json":
        sys.stdout.write(render_json({"file": str(arguments.file), **summary}) + "\n")
    else:
        columns = ("replicate", "state", *_SUMMARIZED, "checkpoint")
        sys.stdout.write(render_rows(summary["seeds"], columns, arguments.format) + "\n")
        if arguments.format == "table":
            sys.stdout.write(_means(summary))
    unfinished = [each for each in summary["seeds"] if each["state"] != "complete"]
    for each in unfinished:
        why = f" ({each['why']})" if each["why"] else ""
        fix = "change the settings, and write another --out" if each["state"] == "pruned" else "repeat the command"
        sys.stderr.write(f"{out}: replicate {each['replicate']} is {each['state']}{why}. Fix: {fix}\n")
    return 1 if unfinished else 0


def _tracking_uri(uri: str | None) -> str | None:
    """Return the tracking URI; a relative path starts from the current folder.

    Raises:
        InputError: if it can never work.
    """
    from vsam_tune.errors import InputError, problem
    from vsam_tune.study.file.tracking_uri import absolute_uri, uri_problem, without_password

    if uri is None:
        return None
    uri = absolute_uri(uri, Path.cwd())
    if found := uri_problem(uri):
        raise InputError(problem("--tracking-uri", "", without_password(uri), *found))
    return uri


def _resources(arguments: argparse.Namespace) -> "Resources":
    """Return the processors and GPUs of one replicate.

    Raises:
        InputError: if `--cpus` or `--gpus` has an invalid value.
    """
    from vsam_tune.study.file.problems import parse, refuse
    from vsam_tune.study.file.sections import Resources

    resources, problems = parse(Resources, {"cpus": arguments.cpus, "gpus": arguments.gpus})
    if resources is None:
        refuse(problems, Path("command line"))
    return resources


def summarize(result: "StudyResult", folder: Path) -> dict[str, Any]:
    """Return the replicates, and the means and sample standard deviations of their metrics.

    Args:
        result: of the final training.
        folder: of its files.

    Returns:
        `seeds`, one row each with its `checkpoint`; and by name of a metric `mean` and `std` (None for one seed).
    """
    from statistics import mean, stdev

    newest = {record.params.get("replicate"): record for record in result.trials}  # a failed one may have been repeated
    rows = [
        {
            "replicate": replicate,
            "state": record.state,
            "seed": record.seed,
            **{name: record.metrics.get(name) for name in (*_SUMMARIZED, *_ONLY_IN_JSON)},
            "checkpoint": str(folder / str(record.folder) / "checkpoint.pt") if record.state == "complete" else None,
            "why": record.why,
        }
        for replicate, record in sorted(newest.items())
    ]
    complete = [record for record in newest.values() if record.state == "complete"]
    spread = {}
    for name in (*_SUMMARIZED, *_ONLY_IN_JSON):
        values = [float(record.metrics[name]) for record in complete if name in record.metrics]
        if not values:
            continue
        spread[name] = {"mean": mean(values), "std": stdev(values) if len(values) > 1 else None}
    return {"seeds": rows, **spread}


def _means(summary: dict[str, Any]) -> str:
    lines = [
        {
            "": name,
            "mean": number_text(name, summary[name]["mean"]),
            "standard deviation": number_text(name, summary[name]["std"]),
        }
        for name in _SUMMARIZED
        if name in summary
    ]
    return "\n" + render_rows(lines, ("", "mean", "standard deviation"), "table") + "\n" if lines else ""
