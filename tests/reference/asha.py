"""ASHA, stopping variant, transcribed from SEARCH.md.

A trial "goes on iff its rank among the m rows recorded there so far, itself included, is below ceil(m / eta)";
"infeasible and non-finite rows come last, by trial number"; "ties go to the lower trial number"; below min_rung_size,
which is eta, everything goes on. What is not finite never does.
"""

import math


def advances(rows: list[tuple[int, float]], number: int, eta: int) -> bool:
    finite = [(loss, trial) for trial, loss in rows if math.isfinite(loss)]
    rest = [trial for trial, loss in rows if not math.isfinite(loss)]
    ranked = [trial for _, trial in sorted(finite)] + sorted(rest)
    if number in rest:
        return False
    m = len(rows)
    if m < eta:
        return True
    rank = ranked.index(number)
    return rank < -(-m // eta)


def rungs(min_epochs: int, eta: int, max_epochs: int) -> list[int]:
    """All powers: r_min * eta^k for k = 0, 1, ... that a trial passes before its end."""
    return [min_epochs * eta**k for k in range(64) if min_epochs * eta**k < max_epochs]
