"""Label smoothing in its two forms, as the one argument that torch's cross-entropy takes.

The target of an image of class y among C classes, a probability for each class k:

    over="all":     q_k = (1 - epsilon) [k = y] + epsilon / C                       Szegedy et al. 2016, torch
    over="others":  q_y = 1 - epsilon, q_k = epsilon / (C - 1) for k != y           davda54/sam, and vSAM's authors

The second with epsilon is the first with epsilon C / (C - 1). vSAM's authors minimise the divergence KL(q || p) instead
of the cross-entropy. The two differ by the entropy of q, a constant, so their gradients are the same.
"""

from typing import Literal

from vsam_tune.errors import InputError, problem


def over_all_classes(epsilon: float, *, over: Literal["others", "all"], num_classes: int) -> float:
    """Return the `label_smoothing` of `torch.nn.functional.cross_entropy` that gives the same targets.

    Args:
        epsilon: the part of the target that is spread, in [0, 1).
        over: the classes that it is spread over: those other than the label's, or all.
        num_classes: C, at least 2.

    Returns:
        A number in [0, 1]; 0 for epsilon 0.

    Raises:
        InputError: if a wrong class would get as much of the target as the label's class, or more.
    """
    if over == "all":
        return epsilon
    if epsilon * num_classes >= num_classes - 1:
        most = f"must be below {1 - 1 / num_classes:g} for {num_classes} classes"
        rule = f"{most}; a wrong class must get less of the target than the label's class"
        raise InputError(problem("task", "label_smoothing", epsilon, rule, "write a number such as 0.1"))
    return epsilon * num_classes / (num_classes - 1)
