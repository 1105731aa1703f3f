"""Does a front replicate? Several searches that differ only in their seeds, each confirmed under fresh seeds.

Each search has its own task seed (of the split, the label noise and the trials) and sampler seed. Then `confirm
--include-possible` trains the points of its plain front, and the trials that may also be optimal given the measurement
noise, again. The benchmark prints, in Markdown, how many of both replicate: every searched value is in its confirmed
interval, and no confirmed point is significantly better in all objectives. After an interruption the same command
continues. Run it with
    .venv/bin/python -m benchmarks.replication --root replication
    .venv/bin/python -m benchmarks.replication --study studies/cifar10_10k.yaml --data npz:PATH --searches 1 --seeds 3
"""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import yaml
from scipy import stats

from benchmarks.command_line import vsam_tune, vsam_tune_json, write_study
from vsam_tune.cli.render import render_rows

OBJECTIVES = ("val_accuracy", "ais_vs_sam")
_COUNTS = ("search", "front", "replicate", "remain", "possible", "replicate, possible")
_MOVED = {objective: f"{objective}, confirmed - searched" for objective in OBJECTIVES}


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Numbers of points of one kind, from one or several searches.

    Attributes:
        size: all points.
        judged: points with a confirmed value in every objective.
        replicating: judged points that replicate.
        remaining: judged points that no other point excludes by the confirmed values.
    """

    size: int
    judged: int
    replicating: int
    remaining: int


def study_content(
    base: Mapping[str, Any], number: int, *, trials: int, epochs: int | None = None, data: str | None = None
) -> dict[str, Any]:
    """Return the study of one search.

    Args:
        base: the study file of all searches.
        number: of the search: its seeds, and part of its name.
        trials: budget.
        epochs: of a trial; None for the file's.
        data: of the task; None for the file's.
    """
    replaced = {"seed": number, "epochs": epochs, "data": data}
    task = {**base["task"], **{key: value for key, value in replaced.items() if value is not None}}
    sampler = {**base.get("sampler", {}), "seed": number}
    content = {key: value for key, value in base.items() if key not in ("baselines", "reference_point")}
    changed = {"name": f"{base['name']}_{number}", "task": task, "sampler": sampler, "objectives": list(OBJECTIVES)}
    return {**content, **changed, "budget": {"trials": trials}}


def groups(rows: Iterable[Mapping[str, Any]]) -> tuple[Group, Group]:
    """Return the plain front and the other trials that may be optimal.

    Args:
        rows: of `confirm --include-possible --format json`; ignores the rows of methods, which have no trial.
    """
    points = [row for row in rows if row["trial"] is not None]
    return (
        _group([row for row in points if row["plain_front"]]),
        _group([row for row in points if not row["plain_front"]]),
    )


def _group(rows: Sequence[Mapping[str, Any]]) -> Group:
    judged = [row for row in rows if row["replicates"] is not None]
    return Group(
        size=len(rows),
        judged=len(judged),
        replicating=sum(row["replicates"] for row in judged),
        remaining=sum(row["on_front"] for row in judged),
    )


def pooled(parts: Iterable[Group]) -> Group:
    """Return the points of several searches as one group."""
    columns = zip(*((each.size, each.judged, each.replicating, each.remaining) for each in parts), strict=True)
    size, judged, replicating, remaining = map(sum, columns)
    return Group(size=size, judged=judged, replicating=replicating, remaining=remaining)


def share(successes: int, number: int) -> str:
    """Return successes as a share with its 95 % interval (Wilson), which assumes independent points.

    Points of one search are not quite independent, so the interval is slightly too narrow.
    """
    if number == 0:
        return "none"
    low, high = stats.binomtest(successes, number).proportion_ci(method="wilson")
    return f"{successes} of {number}, {100 * successes / number:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


def shrinkage(rows: Iterable[Mapping[str, Any]], objective: str) -> float | None:
    """Return the mean change of the plain front's values under fresh seeds; None without values."""
    moved = [row["shrinkage"][objective] for row in rows if row["trial"] is not None and row["plain_front"]]
    known = [value for value in moved if value is not None]
    return mean(known) if known else None


def report(confirmed: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Return the tables in Markdown, from the rows of each search's confirmation by its name."""
    found = {name: groups(rows) for name, rows in confirmed.items()}
    lines = []
    for name, (front, possible) in found.items():
        moved = {title: shrinkage(confirmed[name], objective) for objective, title in _MOVED.items()}
        replicating = [f"{each.replicating} of {each.judged}" for each in (front, possible)]
        remaining = f"{front.remaining} of {front.judged}"
        counts = (name, front.size, replicating[0], remaining, possible.size, replicating[1])
        shown = {title: None if value is None else f"{value:+.3f}" for title, value in moved.items()}
        lines.append({**dict(zip(_COUNTS, counts, strict=True)), **shown})
    kinds = ("the plain front", "possibly optimal", "both")
    parts = [pooled(kind) for kind in zip(*found.values(), strict=True)]
    sums = [
        {
            "points of": kind,
            "a search": f"{each.size / len(found):.1f}",
            "not judged": each.size - each.judged,
            "replicate": share(each.replicating, each.judged),
            "on the confirmed front": share(each.remaining, each.judged),
        }
        for kind, each in zip(kinds, [*parts, pooled(parts)], strict=True)
    ]
    tables = ((lines, (*_COUNTS, *_MOVED.values())), (sums, tuple(sums[0])))
    return "\n\n".join(render_rows(rows, columns, "markdown") for rows, columns in tables)


def main(argv: Sequence[str] | None = None) -> None:
    """Search, confirm, and print the tables."""
    arguments = _arguments(argv)
    base = yaml.safe_load(arguments.study.read_text(encoding="utf-8"))
    confirmed = {}
    for number in range(arguments.first, arguments.first + arguments.searches):
        content = study_content(
            base, number, trials=arguments.trials, epochs=arguments.epochs, data=_absolute(arguments.data)
        )
        file = write_study(arguments.root / "studies", content)
        confirmed[content["name"]] = _searched_and_confirmed(file, content["name"], arguments)
    print(report(confirmed))


def _searched_and_confirmed(file: Path, name: str, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    engine = ("--root", arguments.root, *(("--workers", arguments.workers) if arguments.workers else ()))
    vsam_tune("search", file, *engine)
    scope = ("--include-possible", "--seeds", arguments.seeds, "--timing-seconds", arguments.timing_seconds)
    rows: list[dict[str, Any]] = vsam_tune_json("confirm", name, *scope, *engine)["rows"]
    return rows


def _absolute(data: str | None) -> str | None:
    """Return a data specification with an absolute path."""
    name, colon, path = (data or "").partition(":")
    return f"{name}:{Path(path).absolute()}" if colon and name in ("npz", "folder") else data


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--study", type=Path, default=Path("studies/quickstart.yaml"), help="study file of all searches"
    )
    parser.add_argument(
        "--root", type=Path, default=Path("replication"), help="folder of the studies and their results"
    )
    parser.add_argument("--data", help="data of the task (the file's)")
    parser.add_argument("--searches", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="number of the first search")
    parser.add_argument("--trials", type=int, default=16, help="trials of a search")
    parser.add_argument("--seeds", type=int, default=5, help="fresh seeds per point")
    parser.add_argument("--epochs", type=int, help="epochs of a trial (the file's)")
    parser.add_argument("--workers", type=int, help="number of simultaneous trials (as many as fit)")
    parser.add_argument("--timing-seconds", type=int, default=60, help="duration of the separate timing of each point")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
