"""The imputed end of a trial that was stopped, transcribed from docs/search.md in plain loops.

Its values at its last rung plus the mean change from that rung to the end over the finished trials that have the rung;
at least 4 of them, else nothing; never better than the best finished value of the objective.
"""


def imputed_end(
    rungs: dict[int, dict[str, float]],
    finished: list[tuple[dict[int, dict[str, float]], dict[str, float]]],
    directions: dict[str, str],
) -> list[float] | None:
    """Return the values in the order of `directions`; `finished` holds (rungs, values) of each trial."""
    last = max(rungs)
    for name in directions:
        if name not in rungs[last]:
            return None
    having = []
    for its_rungs, values in finished:
        if last in its_rungs and all(name in its_rungs[last] for name in directions):
            having.append((its_rungs[last], values))
    if len(having) < 4:
        return None
    end = []
    for name, direction in directions.items():
        total = 0.0
        for row, values in having:
            total += values[name] - row[name]
        value = rungs[last][name] + total / len(having)
        finals = [values[name] for _, values in finished]
        if direction == "maximize" and value > max(finals):
            value = max(finals)
        if direction == "minimize" and value < min(finals):
            value = min(finals)
        end.append(value)
    return end
