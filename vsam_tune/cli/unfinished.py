"""What is not done of a list of wanted trials: for commands that train replicates."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vsam_tune.analysis.results import StudyResult, TrialRecord
    from vsam_tune.study.tracking.run_kind import RunKind


def num_ended(result: "StudyResult | None", wanted: Sequence[Mapping[str, Any]]) -> int:
    """Return how many of the wanted trials are complete, or pruned; 0 before a first start."""
    from vsam_tune.analysis.results import FINISHED

    newest = [_newest(result, params) for params in wanted] if result else []
    return sum(record is not None and record.state in FINISHED for record in newest)


def tell_what_is_missing(
    result: "StudyResult",
    wanted: Sequence[Mapping[str, Any]],
    folder: Path,
    *,
    kind: "RunKind",
    fix: str,
    what: str = "trainings",
) -> int:
    """Say on stderr which of the wanted trials have not completed.

    Args:
        result: all trials as they stand.
        wanted: parameters of the wanted ones.
        folder: of their files.
        kind: what they are called.
        fix: for those that diverged, which stay so.
        what: the wanted trials are.

    Returns:
        The exit code: 0 if all are complete, 1 otherwise.
    """
    newest = [(params, _newest(result, params)) for params in wanted]
    left = 0
    for params, record in newest:
        if record is None or record.state in ("waiting", "running"):
            left += 1
        elif record.state != "complete":
            shown_fix = "the same command" if record.state == "fail" else fix
            name, where = kind.title(record.number, params), folder / str(record.folder)
            sys.stderr.write(f"{where}: {name} is {record.state} ({record.why}). Fix: {shown_fix}\n")
    if left:
        rule = f"{left} of {len(wanted)} {what} are not done"
        sys.stderr.write(f"{result.name}: {rule}. Fix: the same command goes on\n")
    return 0 if all(record is not None and record.state == "complete" for _, record in newest) else 1


def _newest(result: "StudyResult", params: Mapping[str, Any]) -> "TrialRecord | None":
    """Return the newest trial with these parameters: one that failed may have been repeated."""
    return next((record for record in reversed(result.trials) if record.params == params), None)
