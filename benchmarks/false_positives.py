"""False positives: how often do `front` and `compare` claim a difference between equal configurations?

First, a search of vSAM on digits with label noise. Its only dimension, `rho` from 0.4 to 0.4 * (1 + 1e-9), is narrower
than float32 resolves, so the trials differ only in their seeds. The benchmark prints the plain front, the trials that
the noise-aware relation excludes (goal: none), and the spread of each objective over the trials with the stated error.

Then `compare`: one method under several labels. Labels of one command share their seeds, and equal configurations would
give equal results. So SAM and vSAM are each trained under labels * seeds fresh seeds, and the benchmark deals these to
labels: one is the reference, and `comparison.compare` compares the others with it. Many random deals show how often it
claims a difference. Run it with
    .venv/bin/python -m benchmarks.false_positives --root false_positives
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy import stats

from benchmarks.command_line import vsam_tune, write_study
from vsam_tune.analysis import pareto
from vsam_tune.analysis.comparison import compare
from vsam_tune.analysis.paired_tests import SIGNIFICANCE
from vsam_tune.analysis.results import StudyResult, TrialRecord, standard_error
from vsam_tune.cli.render import render_rows
from vsam_tune.study.storage.stored_study import load_baselines, load_result

METRICS = ("val_accuracy", "ais_vs_sam", "sampled_fraction")
_NAME, _WIDTH = "one_configuration", 1e-9
_POINT = {"beta": 0.13, "kappa": 0.7, "num_slices": 4, "warmup_iterations": 36}  # the authors' beta and kappa
_SEARCHED = ("beta", "kappa", "num_slices", "warmup_iterations")  # unless a study fixes it
_REFERENCE = "sam"  # the label that `compare` compares the others with


@dataclass(frozen=True, kw_only=True, slots=True)
class Claims:
    """The differences that `compare` claims between equal rows.

    Attributes:
        rows: number of rows, without the reference.
        p_values: number of corrected p-values below the level.
        intervals: number of 95 % intervals of single differences, not corrected, that exclude 0.
    """

    rows: int
    p_values: int
    intervals: int


def study_content(base: Mapping[str, Any], *, trials: int, seed: int = 0, epochs: int | None = None) -> dict[str, Any]:
    """Return a study of one configuration.

    Args:
        base: a study of vSAM with the task, the optimizer and the method.
        trials: budget.
        seed: of the task: of the split, the noise and the trials.
        epochs: of a trial; None for the file's.
    """
    task = {**base["task"], "seed": seed, **({} if epochs is None else {"epochs": epochs})}
    rho = base["method"]["rho"]
    method = {key: value for key, value in base["method"].items() if key != "rho"}
    rows = [{"name": "sam", "label": "sam", "rho": rho}, {**base["method"], "label": "vsam", **_POINT}]
    return {
        "name": _NAME,
        "task": task,
        "base_optimizer": base["base_optimizer"],
        "method": {**method, **_POINT},
        "space": {"rho": {"type": "float", "low": rho, "high": rho * (1 + _WIDTH)}, **dict.fromkeys(_SEARCHED)},
        "objectives": ["val_accuracy", "ais_vs_sam"],
        "sampler": {"kind": "random", "seed": 0},
        "budget": {"trials": trials},
        "baselines": {"methods": rows},
    }


def excluded(result: StudyResult) -> dict[str, int]:
    """Return the numbers of complete trials, of those on the plain front, and of the excluded ones.

    Returns:
        `trials`; `front`; `pairwise`: another trial dominates by 1.96 standard errors; `excluded`: `vsam-tune front`
        neither shows the trial nor counts it as possibly optimal.
    """
    trials = [trial for trial in result.trials if trial.state == "complete" and trial.feasible]
    dominating = pareto.dominates(result.losses(trials), result.errors(trials), pareto.PAIRWISE)
    shown = len(result.front()) + len(result.possibly_optimal())
    return {
        "trials": len(trials),
        "front": len(result.front()),
        "pairwise": int(dominating.any(axis=0).sum()),
        "excluded": len(trials) - shown,
    }


def spread(values: NDArray[np.float64], errors: NDArray[np.float64]) -> dict[str, float]:
    """Return the spread of equal trials and their stated errors.

    Args:
        values: (n,) finite, n >= 2.
        errors: (n,) stated standard errors.

    Returns:
        `mean`; `spread`, the sample standard deviation; `low` and `high`, its 95 % interval for normal values;
        `stated`, the root mean square of the errors.
    """
    deviation, degrees = float(values.std(ddof=1)), len(values) - 1
    high, low = np.sqrt(degrees / stats.chi2.ppf([0.025, 0.975], degrees)) * deviation
    stated = float(np.sqrt(np.mean(errors**2)))
    return {
        "mean": float(values.mean()),
        "spread": deviation,
        "low": float(low),
        "high": float(high),
        "stated": stated,
    }


def dealt(result: StudyResult, label: str, order: Sequence[int], *, labels: int) -> StudyResult:
    """Return baselines in which the replicates of one row are divided among several labels, the reference first.

    Args:
        result: of the baselines.
        label: of the row.
        order: its replicates, in the order of dealing.
        labels: number of labels; each gets the same number of replicates.
    """
    names = [_REFERENCE, *(f"{label} {number}" for number in range(1, labels))]
    seeds = len(order) // labels
    places = {replicate: divmod(place, seeds) for place, replicate in enumerate(order[: labels * seeds])}

    def moved(trial: TrialRecord) -> TrialRecord:
        number, replicate = places[trial.params["replicate"]]
        return replace(trial, params={**trial.params, "label": names[number], "replicate": replicate})

    trials = [
        moved(trial)
        for trial in result.trials
        if trial.params["label"] == label and trial.params["replicate"] in places
    ]
    entry = {"method": {"name": "sam"}, "trial": None}
    return replace(result, trials=tuple(trials), study={**result.study, "rows": dict.fromkeys(names, entry)})


def claims(result: StudyResult) -> Claims:
    """Return the differences that `compare` claims between equal rows."""
    rows = [row for row in compare(result).rows if row.method != _REFERENCE]
    intervals = [(row.difference_low, row.difference_high) for row in rows]
    return Claims(
        rows=len(rows),
        p_values=sum(row.p_value is not None and row.p_value < SIGNIFICANCE for row in rows),
        intervals=sum(low is not None and high is not None and (low > 0 or high < 0) for low, high in intervals),
    )


def search_report(result: StudyResult) -> str:
    """Return the claims about the trials of a search, and the table of their spreads, in Markdown."""
    found = excluded(result)
    trials = [trial for trial in result.trials if trial.state == "complete" and trial.feasible]
    rows = []
    for name in METRICS:
        values = np.array([trial.metrics.get(name, np.nan) for trial in trials])
        errors = np.array([standard_error(trial.metrics, name) for trial in trials])
        if np.isfinite(values).all() and len(values) > 1:
            row = spread(values, errors)
            shown = {key: f"{row[key]:.4g}" for key in ("mean", "spread", "stated")}
            rows.append({
                "metric": name,
                **shown,
                "95 % interval of the spread": f"{row['low']:.4g} to {row['high']:.4g}",
            })
    columns = ("metric", "mean", "spread", "95 % interval of the spread", "stated")
    counts = (
        f"{found['trials']} equal trials: {found['front']} on the plain front; noise-aware, {found['excluded']} "
        f"excluded by `front` ({result.front_quantile():.2f} standard errors), {found['pairwise']} pairwise (1.96)"
    )
    return f"{counts}\n\n{render_rows(rows, columns, 'markdown')}"


def compare_report(result: StudyResult, *, labels: int, deals: int) -> str:
    """Return the claims of `compare` about each row, dealt in order and at random, in Markdown.

    Args:
        result: of the baselines.
        labels: number of labels for each row.
        deals: number of random deals.
    """
    rows, draws = [], np.random.default_rng(0)
    for label in result.study["rows"]:
        done = {trial.params["replicate"] for trial in result.trials if trial.params["label"] == label}
        replicates = np.array(sorted(done))
        first = claims(dealt(result, label, replicates.tolist(), labels=labels))
        others = [
            claims(dealt(result, label, draws.permutation(replicates).tolist(), labels=labels)) for _ in range(deals)
        ]
        rows.append({
            "method": label,
            "labels x seeds": f"{labels} x {len(replicates) // labels}",
            "claims, p < 0.05": f"{first.p_values} of {first.rows}",
            "intervals without 0": f"{first.intervals} of {first.rows}",
            "deals with p < 0.05": _percent(sum(each.p_values > 0 for each in others), deals),
            "intervals without 0, all deals": _percent(sum(each.intervals for each in others), deals * (labels - 1)),
        })  # fmt: skip
    return render_rows(rows, list(rows[0]), "markdown")


def _percent(number: int, of: int) -> str:
    return f"{100 * number / of:.1f} %" if of else ""


def main(argv: Sequence[str] | None = None) -> None:
    """Search, train the baselines, and print the claims."""
    arguments = _arguments(argv)
    base = yaml.safe_load(arguments.study.read_text(encoding="utf-8"))
    file = write_study(
        arguments.root, study_content(base, trials=arguments.trials, seed=arguments.seed, epochs=arguments.epochs)
    )
    where = ("--root", arguments.root)
    engine = (*where, *(("--workers", arguments.workers) if arguments.workers else ()))
    vsam_tune("search", file, *engine)
    print(search_report(load_result(_NAME, arguments.root)))
    if arguments.labels > 1:
        vsam_tune("baselines", file, "--seeds", arguments.labels * arguments.seeds, *engine)
        baselines = load_baselines(_NAME, arguments.root)
        print("\n" + compare_report(baselines, labels=arguments.labels, deals=arguments.deals))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--study", type=Path, default=Path("studies/quickstart.yaml"), help="study of vSAM with task and method"
    )
    parser.add_argument(
        "--root", type=Path, default=Path("false_positives"), help="folder of the study and its results"
    )
    parser.add_argument("--trials", type=int, default=24, help="trials of the search")
    parser.add_argument("--seed", type=int, default=0, help="seed of the task")
    parser.add_argument("--labels", type=int, default=6, help="number of labels per method; 1 for no comparison")
    parser.add_argument("--seeds", type=int, default=8, help="seeds per label; with five rows a p-value needs 8")
    parser.add_argument("--deals", type=int, default=1000, help="number of random deals of the same trainings")
    parser.add_argument("--epochs", type=int, help="epochs of a trial (the file's)")
    parser.add_argument("--workers", type=int, help="number of simultaneous trials")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
