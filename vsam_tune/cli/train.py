"""Final training: the configuration of FILE, on the whole training set (validation part included), under several seeds.

FILE is what `vsam-tune front --export` wrote, or a few lines by hand. Reports test accuracy and AIS, mean and
standard deviation over the seeds. A training that was interrupted goes on with the same command.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsam_tune.cli.arguments import add_data, add_engine, add_format, overrides, positive
from vsam_tune.cli.render import render_json, render_rows

if TYPE_CHECKING:
    from vsam_tune.analysis.results import StudyResult
    from vsam_tune.study.file.sections import Resources

_SUMMARIZED = ("test_accuracy", "ais", "ais_vs_sam", "sampled_fraction", "gradient_evaluations")
_BESIDE = ("test_accuracy_error", "ais_error", "ais_vs_sam_error", "ideal_ais_vs_sam", "efficiency")  # in JSON


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", type=Path, metavar="FILE", help="an exported configuration")
    parser.add_argument("--seeds", type=positive, default=1, metavar="N", help="how many replicates (1)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where state and checkpoints go (runs/FILE.train)")
    parser.add_argument("--cpus", type=float, default=1.0, metavar="N", help="processors of a replicate (1)")
    parser.add_argument(
        "--gpus", type=float, default=0.0, metavar="N", help="GPUs of a replicate, or a part of one (0)"
    )
    parser.add_argument("--tracking-uri", metavar="URI", help="of MLflow (a file in DIR)")
    add_data(parser)
    add_format(parser)
    add_engine(parser, workers=1)  # side by side is sooner done, and slower for each: AIS would show it


def run(arguments: argparse.Namespace) -> int:
    """Train, then print the replicates and what they have in common.

    Returns:
        0; 1 if a replicate failed or diverged.
    """
    from vsam_tune.cli.progress import Progress
    from vsam_tune.study.file.study_file import load_export
    from vsam_tune.study.final_training import final_plan, train
    from vsam_tune.study.storage.study_storage import ended_trials

    export = load_export(arguments.file, overrides(arguments))
    out = arguments.out or Path("runs") / f"{arguments.file.stem}.train"
    resources = _resources(arguments)
    name = out.absolute().name  # `.` has none
    plan = final_plan(export, name, seeds=arguments.seeds, resources=resources, tracking_uri=arguments.tracking_uri)
    with Progress(["test_accuracy", "ais"], total=arguments.seeds, ended=ended_trials(out)) as progress:
        result = train(plan, out, listeners=[progress], workers=arguments.workers, address=arguments.address)
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
        fix = "other settings, and another --out DIR" if each["state"] == "pruned" else "the same command"
        sys.stderr.write(f"{out}: replicate {each['replicate']} is {each['state']}{why}. Fix: {fix}\n")
    return 1 if unfinished else 0


def _resources(arguments: argparse.Namespace) -> "Resources":
    """Return what a replicate takes.

    Raises:
        InputError: if `--cpus` or `--gpus` is no such number.
    """
    from vsam_tune.study.file.problems import parse, refuse
    from vsam_tune.study.file.sections import Resources

    resources, problems = parse(Resources, {"cpus": arguments.cpus, "gpus": arguments.gpus})
    if resources is None:
        refuse(problems, Path("command line"))
    return resources


def summarize(result: "StudyResult", folder: Path) -> dict[str, Any]:
    """Return the replicates, and mean and sample standard deviation of what they measured.

    Args:
        result: of the final training.
        folder: where it is.

    Returns:
        `seeds`, a row each with its `checkpoint`; and by name of a metric `mean` and `std`, None below two seeds.
    """
    from statistics import mean, stdev

    newest = {record.params.get("replicate"): record for record in result.trials}  # a failed one may have been repeated
    rows = [
        {
            "replicate": replicate,
            "state": record.state,
            "seed": record.seed,
            **{name: record.metrics.get(name) for name in (*_SUMMARIZED, *_BESIDE)},
            "checkpoint": str(folder / str(record.folder) / "checkpoint.pt") if record.state == "complete" else None,
            "why": record.why,
        }
        for replicate, record in sorted(newest.items())
    ]
    complete = [record for record in newest.values() if record.state == "complete"]
    spread = {}
    for name in (*_SUMMARIZED, *_BESIDE):
        values = [float(record.metrics[name]) for record in complete if name in record.metrics]
        if not values:
            continue
        spread[name] = {"mean": mean(values), "std": stdev(values) if len(values) > 1 else None}
    return {"seeds": rows, **spread}


def _means(summary: dict[str, Any]) -> str:
    lines = [
        {"": name, "mean": summary[name]["mean"], "standard deviation": summary[name]["std"]}
        for name in _SUMMARIZED
        if name in summary
    ]
    return "\n" + render_rows(lines, ("", "mean", "standard deviation"), "table") + "\n" if lines else ""
