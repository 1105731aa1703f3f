"""How do the rung rules of other libraries treat several objectives?

It runs with their packages, in an environment of its own:

    python3 -m venv peers
    peers/bin/pip install moocore syne-tune==0.16.0 smac==2.4.0 neural-pipeline-search==0.17.0
    PYTHONPATH=. peers/bin/python benchmarks/other_rungs.py

A package that is not installed is left out. Losses are uniform in the unit square: both objectives have one scale.
"""

import argparse
from collections.abc import Callable
from itertools import islice

import numpy as np

from vsam_tune.analysis.ranking import Ranking

ROWS, REDUCTION_FACTOR = 27, 3
Keep = Callable[[np.ndarray, int], list[int]]  # (losses (n, 2), how many) -> the rows that go on
GoesOn = Callable[[np.ndarray], bool]  # losses (n, 2), the newcomer's last -> whether it goes on


def ours(losses: np.ndarray, count: int) -> list[int]:
    """Return the rows that `mo_asha` keeps."""
    ranking = Ranking(losses, np.arange(len(losses)), np.ones(len(losses), dtype=np.bool_))
    return list(islice(ranking, count))


def ours_goes_on(losses: np.ndarray) -> bool:
    """Return whether `mo_asha` lets the newcomer go on."""
    return len(losses) - 1 in ours(losses, -(-len(losses) // REDUCTION_FACTOR))


def syne_tune_goes_on() -> GoesOn:
    """Return the decision of Syne Tune's MOASHA on a newcomer, by its own bracket."""
    from syne_tune.optimizer.schedulers.asha import Bracket  # noqa: PLC0415 - may not be there
    from syne_tune.optimizer.schedulers.multiobjective.multiobjective_priority import NonDominatedPriority  # noqa: PLC0415 - may not be there

    def goes_on(losses: np.ndarray) -> bool:
        bracket = Bracket(1, 9, REDUCTION_FACTOR, 0, NonDominatedPriority())
        action = ""
        for number, (first, second) in enumerate(losses.tolist()):
            action = bracket.on_result(str(number), 1, {"first": first, "second": second})
        return str(action) != "STOP"

    return goes_on


def neps_keep() -> Keep:
    """Return the rows that NePS keeps at a rung."""
    from neps.optimizers.utils.multiobjective.epsnet import nondominated_sort  # noqa: PLC0415 - may not be there

    return lambda losses, count: list(nondominated_sort(X=losses, max_items=count))


def smac_keep() -> Keep:
    """Return the rows that SMAC3's successive halving keeps: whole fronts, then the largest crowding distances."""
    from smac.utils import pareto_front  # noqa: PLC0415 - may not be there

    pareto_front._get_costs = lambda losses, rows, _: losses[rows]  # in place of its run history

    def keep(losses: np.ndarray, count: int) -> list[int]:
        left, kept = list(range(len(losses))), []
        while len(kept) < count:
            front = pareto_front.calculate_pareto_front(losses, left, [[] for _ in left])
            left = [row for row in left if row not in front]
            kept += front
        if len(kept) > count:
            kept = pareto_front.sort_by_crowding_distance(losses, kept, [[] for _ in kept])[:count]
        return kept

    return keep


def drops_a_dominator(losses: np.ndarray, kept: list[int]) -> bool:
    """Return whether a row that is kept is dominated by one that is not."""
    dropped = sorted(set(range(len(losses))) - set(kept))
    return any(
        (losses[other] <= losses[row]).all() and (losses[other] < losses[row]).any()
        for row in kept
        for other in dropped
    )


def share_of_dropped_dominators(keep: Keep, rungs: int, seed: int) -> float:
    """Return in which share of rungs 27 -> 9 a dominated row goes on and its dominator does not."""
    draws = np.random.default_rng(seed)
    tables = [draws.random((ROWS, 2)) for _ in range(rungs)]
    return float(np.mean([drops_a_dominator(losses, keep(losses, ROWS // REDUCTION_FACTOR)) for losses in tables]))


def share_of_stopped_best(goes_on: GoesOn, rungs: int, seed: int) -> float:
    """Return in which share of rungs a newcomer is stopped that dominates all of the 5 to 26 rows before it."""
    draws = np.random.default_rng(seed)
    stopped = []
    for _ in range(rungs):
        others = 0.1 + draws.random((int(draws.integers(5, ROWS)), 2))
        stopped.append(not goes_on(np.vstack([others, draws.random((1, 2)) * 0.1])))
    return float(np.mean(stopped))


def main() -> None:
    """Print a line for each rule."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rungs", type=int, default=2000, help="how many are drawn")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    drawn = (arguments.rungs, arguments.seed)
    print(f"of {arguments.rungs} rungs 27 -> 9, a dominated row goes on and its dominator does not:")
    keeps: dict[str, Callable[[], Keep]] = {"mo_asha": lambda: ours, "SMAC3": smac_keep, "NePS": neps_keep}
    for name, rule in keeps.items():
        print(f"  {name}: {_share(lambda made: share_of_dropped_dominators(made, *drawn), rule)}")
    print("of as many newcomers that dominate all rows before them are stopped:")
    newcomers: dict[str, Callable[[], GoesOn]] = {"mo_asha": lambda: ours_goes_on, "Syne Tune": syne_tune_goes_on}
    for name, decision in newcomers.items():
        print(f"  {name}: {_share(lambda made: share_of_stopped_best(made, *drawn), decision)}")


def _share(measure: Callable[..., float], make: Callable[[], object]) -> str:
    try:
        made = make()
    except ImportError as error:
        return f"not installed ({error})"
    return f"{100 * measure(made):.1f} %"


if __name__ == "__main__":
    main()
