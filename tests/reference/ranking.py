"""The ranking at a rung, transcribed from docs/search.md in plain loops.

1. Infeasible and non-finite rows come last, by trial number.
2. The rest is cut into layers of rows that no row of the layer or of later ones dominates. With errors, two rows differ
   in an objective only if they are further apart than 1.96 sqrt(se_a^2 + se_b^2); if no row is undominated, all that
   are left form one layer.
3. Inside a layer: each objective divided by its spread over all feasible rows, the extreme points first, then the row
   whose nearest taken neighbour is farthest away. With one objective: by value. Ties go to the lower trial number.
"""

import math


def rank(
    losses: list[list[float]],
    trial_numbers: list[int],
    feasible: list[bool],
    errors: list[list[float]] | None = None,
) -> list[int]:
    n = len(losses)
    errors = errors or [[0.0] * len(row) for row in losses]
    good = [i for i in range(n) if feasible[i] and all(math.isfinite(x) for x in losses[i])]
    good.sort(key=lambda i: trial_numbers[i])
    rest = sorted((i for i in range(n) if i not in good), key=lambda i: trial_numbers[i])

    def dominates(a: int, b: int) -> bool:
        better = worse = False
        for j in range(len(losses[a])):
            apart = 1.96 * math.hypot(errors[a][j], errors[b][j])
            better = better or losses[b][j] - losses[a][j] > apart
            worse = worse or losses[a][j] - losses[b][j] > apart
        return better and not worse

    order: list[int] = []
    left = list(good)
    while left:
        layer = [b for b in left if not any(dominates(a, b) for a in left)] or list(left)
        order += inside(layer, losses, good)
        left = [i for i in left if i not in layer]
    order += rest
    return [order.index(i) for i in range(n)]


def inside(layer: list[int], losses: list[list[float]], good: list[int]) -> list[int]:
    """The order inside a layer, whose rows come by trial number."""
    k = len(losses[layer[0]])
    if k == 1:
        return sorted(layer, key=lambda i: losses[i][0])
    scaled = {}
    for i in layer:
        scaled[i] = []
        for j in range(k):
            low, high = min(losses[g][j] for g in good), max(losses[g][j] for g in good)
            scaled[i].append((losses[i][j] - low) / (high - low) if high > low else 0.0)
    taken: list[int] = []
    for j in range(k):
        best = min(layer, key=lambda i: scaled[i][j])  # the first of equals
        if best not in taken:
            taken.append(best)
    while len(taken) < len(layer):
        left = [i for i in layer if i not in taken]

        def nearest(i: int) -> float:
            return min(sum((x - y) ** 2 for x, y in zip(scaled[i], scaled[t], strict=True)) for t in taken)

        taken.append(max(left, key=nearest))  # the first of equals
    return taken
