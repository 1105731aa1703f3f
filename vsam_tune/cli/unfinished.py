"""Trials of a list that are not finished: for commands that train replicates."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vsam_tune.analysis.results import StudyResult
    from vsam_tune.study.tracking.run_kind import RunKind


def report_unfinished(
    result: "StudyResult",
    wanted: Sequence[Mapping[str, Any]],
    folder: Path,
    *,
    kind: "RunKind",
    fix: str,
    what: str = "trainings",
) -> int:
    """Write to stderr which of the wanted trials have not completed.

    Args:
        result: with all trials.
        wanted: parameters of the wanted ones.
        folder: of their files.
        kind: decides their titles.
        fix: for trials that diverged; a repetition would diverge again.
        what: the plural that the message uses for the trials.

    Returns:
        The exit code: 0 if all are complete, 1 otherwise.
    """
    newest = [(params, result.newest(params)) for params in wanted]
    left = 0
    for params, record in newest:
        if record is None or record.state in ("waiting", "running"):
            left += 1
        elif record.state != "complete":
            repair = "repeat the command" if record.state == "fail" else fix
            name, where = kind.title(record.number, params), folder / str(record.folder)
            sys.stderr.write(f"{where}: {name} is {record.state} ({record.why}). Fix: {repair}\n")
    if left:
        rule = f"{left} of {len(wanted)} {what} are not finished"
        sys.stderr.write(f"{result.name}: {rule}. Fix: repeat the command to resume\n")
    return 0 if all(record is not None and record.state == "complete" for _, record in newest) else 1
