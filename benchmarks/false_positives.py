"""False positives: what is claimed of trials that are all of one configuration, and differ by their seeds alone?

A search of vSAM on digits with label noise, whose one dimension is narrower than float32 resolves: `rho` from 0.4 to
0.4 * (1 + 1e-9). Every trial trains the same numbers under a seed of its own. Prints what the plain front makes of
them, what the noise-aware relation excludes (goal: nothing), and each objective's spread over the trials beside the
error that trials state of it.

Then `compare`: one method under several labels. Labels of one command share their seeds, and equal configurations then
give equal results, of which nothing could be claimed. So SAM and vSAM are each trained under labels * seeds fresh
seeds, which are dealt to labels: one as the reference, the others held against it by `comparison.compare`. Dealing
them again and again says how often it claims something. Run it with
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
from vsam_tune.study.storage.study_storage import load_baselines, load_result

METRICS = ("val_accuracy", "ais_vs_sam", "sampled_fraction")
_NAME, _WIDTH = "one_configuration", 1e-9
_POINT = {"beta": 0.13, "kappa": 0.8, "num_slices": 4, "warmup_iterations": 36, "initial_rate": 0.1}  # the paper's
_SEARCHED = ("beta", "kappa", "num_slices", "warmup_iterations")  # unless a study says that it is not
_REFERENCE = "sam"  # the label that `compare` holds the others against


@dataclass(frozen=True, kw_only=True, slots=True)
class Claims:
    """What `compare` claims of equal rows.

    Attributes:
        rows: held against the reference.
        p_values: corrected ones below the level.
        intervals: those that leave 0 out; they are of single differences, 95 % each, not corrected.
    """

    rows: int
    p_values: int
    intervals: int


def study_content(base: Mapping[str, Any], *, trials: int, seed: int = 0, epochs: int | None = None) -> dict[str, Any]:
    """Return a study of one configuration.

    Args:
        base: the study file that gives task, optimizer and method; of vSAM.
        trials: budget.
        seed: of the task: the split, the noise, and all that trials draw.
        epochs: of a trial, instead of the file's.
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
    """Return how many trials are complete, stand on the plain front, and are excluded, by which relation.

    Returns:
        `trials`; `front`; `pairwise`, those that another one dominates by 1.96 standard errors; `excluded`, those that
        `vsam-tune front` neither shows nor marks as possible.
    """
    trials = [trial for trial in result.trials if trial.state == "complete" and trial.feasible]
    dominating = pareto.dominates(result.losses(trials), result.errors(trials), pareto.PAIRWISE)
    shown = len(result.front()) + len(result.possible())
    return {
        "trials": len(trials),
        "front": len(result.front()),
        "pairwise": int(dominating.any(axis=0).sum()),
        "excluded": len(trials) - shown,
    }


def spread(values: NDArray[np.float64], errors: NDArray[np.float64]) -> dict[str, float]:
    """Return the spread of equal trials beside the errors that they state.

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
    """Return baselines in which one row's replicates are dealt to several labels, the first of them the reference.

    Args:
        result: of the baselines.
        label: of the row.
        order: its replicates, in the order in which they are dealt.
        labels: how many there shall be; each gets as many replicates as the others.
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
    """Return what `compare` claims of rows that are all equal."""
    rows = [row for row in compare(result).rows if row.method != _REFERENCE]
    intervals = [(row.difference_low, row.difference_high) for row in rows]
    return Claims(
        rows=len(rows),
        p_values=sum(row.p_value is not None and row.p_value < SIGNIFICANCE for row in rows),
        intervals=sum(low is not None and high is not None and (low > 0 or high < 0) for low, high in intervals),
    )


def search_report(result: StudyResult) -> str:
    """Return what is claimed of the trials of a search, and the table of their spreads, in Markdown."""
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
    """Return what `compare` claims of each row, dealt in order and at random, in Markdown.

    Args:
        result: of the baselines.
        labels: to deal each row to.
        deals: at random.
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
    """Search, train the baselines, and print what is claimed."""
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
    parser.add_argument("--study", type=Path, default=Path("studies/quickstart.yaml"), help="task and method, of vSAM")
    parser.add_argument("--root", type=Path, default=Path("false_positives"), help="folder of study and results")
    parser.add_argument("--trials", type=int, default=24, help="of the search")
    parser.add_argument("--seed", type=int, default=0, help="of the task")
    parser.add_argument("--labels", type=int, default=6, help="that a method is entered under; 1 for no comparison")
    parser.add_argument("--seeds", type=int, default=8, help="of each label; five rows need 8 for a p-value at all")
    parser.add_argument("--deals", type=int, default=1000, help="at random, of the same trainings")
    parser.add_argument("--epochs", type=int, help="of a trial, instead of the file's")
    parser.add_argument("--workers", type=int, help="trials side by side")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
