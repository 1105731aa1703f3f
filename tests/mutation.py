"""The mutation check: break each update in turn, and demand that a test notices.

Run it as `python -m tests.mutation [NAME...]`. `tests/mutants/NAME.yaml` holds
`{tests: [...], mutants: [{file, find, replace, breaks}, ...]}`. Every mutant is applied to a copy of the project, where
the tests of its list then have to fail. Code that cannot run any more is no mutant of an update: an ImportError and its
like do not count as a failure, nor does a machine that is too slow for a test.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

import yaml

ROOT = Path(__file__).parents[1]
PARTS = ("vsam_tune", "search_spaces", "trainables", "dashboards", "tests", "pyproject.toml")
AT_A_TIME = 2
NO_KILL = ("ImportError", "ModuleNotFoundError", "SyntaxError", "IndentationError", "NameError", "Failed: Timeout")
PYTEST_FOUND_A_FAILURE = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Mutant:
    """One way to break a file.

    Attributes:
        file: its path, from the root.
        find: text that occurs in it exactly once.
        replace: what stands there instead.
        breaks: what that breaks, in short words.
    """

    file: str
    find: str
    replace: str
    breaks: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MutantList:
    """The mutants of one method or part.

    Attributes:
        name: stem of its file.
        tests: arguments of pytest; they pass without a mutant, and fail with any.
        mutants: in the order of the file.
    """

    name: str
    tests: tuple[str, ...]
    mutants: tuple[Mutant, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How tests ended, on a mutant or without one.

    Attributes:
        failed: the test that did; empty where all passed.
        error: why their end says nothing about the mutant; empty where it does.
        seconds: that they took.
    """

    failed: str = ""
    error: str = ""
    seconds: float = 0.0

    @property
    def verdict(self) -> str:
        """What that says about a mutant."""
        if self.error:
            return "ERROR"
        return "killed" if self.failed else "SURVIVED"


def read_lists(root: Path) -> list[MutantList]:
    """Return all lists of a project, by name."""
    lists = []
    for path in sorted((root / "tests" / "mutants").glob("*.yaml")):
        with path.open(encoding="utf-8") as file:  # not its text: an error names the file
            content = yaml.safe_load(file)
        mutants = tuple(Mutant(**entry) for entry in content["mutants"])
        lists.append(MutantList(name=path.stem, tests=tuple(content["tests"]), mutants=mutants))
    return lists


class Trees:
    """Copies of a project, each used by one run at a time.

    Args:
        root: of the project.
        parts: files and folders of it that the tests need.
        scratch: an empty folder.
    """

    def __init__(self, root: Path, parts: Sequence[str], scratch: Path) -> None:
        self._free: SimpleQueue[Path] = SimpleQueue()
        for number in range(AT_A_TIME):
            tree = scratch / str(number)
            tree.mkdir()
            for part in parts:
                if (root / part).is_dir():
                    shutil.copytree(root / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(root / part, tree / part)
            self._free.put(tree)

    def run_without(self, tests: Sequence[str]) -> Outcome:
        """Run tests without a mutant."""
        tree = self._free.get()
        try:
            return _run(tree, tests)
        finally:
            self._free.put(tree)

    def run_with(self, mutant: Mutant, tests: Sequence[str]) -> Outcome:
        """Run tests with a mutant, and take it back."""
        tree = self._free.get()
        source = tree / mutant.file
        original = source.read_text(encoding="utf-8")
        try:
            found = original.count(mutant.find)
            if found != 1:
                return Outcome(error=f"{mutant.find!r} occurs {found} times")
            source.write_text(original.replace(mutant.find, mutant.replace), encoding="utf-8")
            return _run(tree, tests)
        finally:
            source.write_text(original, encoding="utf-8")
            self._free.put(tree)


def _run(tree: Path, tests: Sequence[str]) -> Outcome:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-rfE", "-p", "no:cacheprovider", *tests]
    # no bytecode: two mutants of a second may have one size. CI: the same examples each time, and whole messages
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "CI": "true", "OMP_NUM_THREADS": "1"}
    start = time.perf_counter()
    ended = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if ended.returncode == 0:
        return Outcome(seconds=seconds)
    summary = [line for line in ended.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    test, _, reason = summary[0].partition(" - ") if summary else ("", "", "no summary")
    if ended.returncode != PYTEST_FOUND_A_FAILURE or reason.startswith(NO_KILL):
        return Outcome(error=f"pytest ended with {ended.returncode}: {reason or test}", seconds=seconds)
    return Outcome(failed=test.rpartition("::")[2], seconds=seconds)


def _say(*columns: str) -> None:
    print("  ".join(columns).rstrip(), flush=True)  # noqa: T201 - a script


def passes_without(lists: Sequence[MutantList], trees: Trees) -> bool:
    """Return whether the tests of every list pass without a mutant; print those that do not."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        outcomes = list(pool.map(lambda one: trees.run_without(one.tests), lists))
    for one, outcome in zip(lists, outcomes, strict=True):
        if outcome.failed or outcome.error:
            _say(f"{one.name}: its tests fail without a mutant: {outcome.error or outcome.failed}")
    return not any(outcome.failed or outcome.error for outcome in outcomes)


def kills_all(lists: Sequence[MutantList], trees: Trees) -> bool:
    """Return whether every mutant is killed; print what becomes of each, as it is known."""
    start, verdicts = time.perf_counter(), []
    jobs = [(one, mutant) for one in lists for mutant in one.mutants]
    names = max(len("method"), *(len(one.name) for one in lists))
    words = max(len(mutant.breaks) for _, mutant in jobs)
    _say("method".ljust(names), "what is broken".ljust(words), "seconds", "verdict ", "by")
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        outcomes = pool.map(lambda job: trees.run_with(job[1], job[0].tests), jobs)
        for (one, mutant), outcome in zip(jobs, outcomes, strict=True):
            by, seconds = outcome.error or outcome.failed, f"{outcome.seconds:7.1f}"
            _say(one.name.ljust(names), mutant.breaks.ljust(words), seconds, f"{outcome.verdict:8}", by)
            verdicts.append(outcome.verdict)
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in ("killed", "SURVIVED", "ERROR"))
    _say(f"mutants: {counts}; {time.perf_counter() - start:.0f} seconds")
    return all(verdict == "killed" for verdict in verdicts)


def main(arguments: Sequence[str] | None = None, *, root: Path = ROOT, parts: Sequence[str] = PARTS) -> int:
    """Return 0 if every mutant is killed, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="a list in tests/mutants; without any, all of them")
    lists = read_lists(root)
    chosen = parser.parse_args(arguments).names or [one.name for one in lists]
    unknown = set(chosen) - {one.name for one in lists}
    if unknown:
        parser.error(f"no such list: {', '.join(sorted(unknown))}")
    with TemporaryDirectory() as scratch:
        trees = Trees(root, parts, Path(scratch))
        wanted = [one for one in lists if one.name in chosen]
        return 0 if passes_without(wanted, trees) and kills_all(wanted, trees) else 1


if __name__ == "__main__":
    sys.exit(main())
