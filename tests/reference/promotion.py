"""ASHA, promotion variant, transcribed from algorithm 2 of Li et al. (2020), for one worker and one objective.

"get_job": from the highest rung down, a candidate among the top floor(m / eta) of the rung that was not promoted from
there is promoted, the best one first; without any, a new configuration starts at the bottom rung.
"""

from typing import Any


def jobs(losses: Any, rungs: list[int], eta: int, epochs: int, count: int) -> list[tuple[int, int]]:
    """Return the first jobs as (trial, epoch up to which it trains)."""
    steps = [*rungs, epochs]
    results: list[dict[int, float]] = [{} for _ in rungs]
    promoted: list[set[int]] = [set() for _ in rungs]
    done: list[tuple[int, int]] = []
    newest = -1
    while len(done) < count:
        job = None
        for k in reversed(range(len(rungs))):
            ranked = sorted(results[k], key=lambda trial: results[k][trial])
            candidates = [trial for trial in ranked[: len(ranked) // eta] if trial not in promoted[k]]
            if candidates:
                promoted[k].add(candidates[0])
                job = (candidates[0], k + 1)
                break
        if job is None:
            newest += 1
            job = (newest, 0)
        trial, k = job
        done.append((trial, steps[k]))
        if k < len(rungs):
            results[k][trial] = losses[trial, steps[k] - 1]
    return done
