"""One call of a closure: nothing that the call before it left reaches it, and it has to leave a gradient.

Between two calls the weights change, but neither their gradients nor autocast's copies of them do. A closure that does
not clear the gradients would add the second one to e, which is in `.grad`. Under an autocast around the step, the
second pass would use the first one's weights in bfloat16: the method would be its base optimizer, at twice the price.

- choice: gradients are removed before each call, whether or not the closure clears them. So a closure that adds up the
  gradients of micro-batches works, and a gradient from outside of the closure does not count.
- choice: a closure without a backward pass is an error where that is certain, and a warning where it may be meant. The
  host reads no value for it.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.autograd.graph import get_gradient_edge


def remove_gradients(parameters: Iterable[Tensor]) -> None:
    """Set all gradients to None."""
    for parameter in parameters:
        parameter.grad = None


def called(closure: Callable[..., Tensor], *arguments: Tensor | None) -> Tensor:
    """Return what a closure returns, at the weights as they are now, also under an autocast around the step."""
    torch.clear_autocast_cache()  # its copies may be of the weights before a perturbation
    return closure(*arguments)


def gradients_from(closure: Callable[[], Tensor], parameters: list[Tensor]) -> Tensor:
    """Leave the gradient of one call in `.grad`.

    Args:
        closure: runs forward and backward, with gradients enabled.
        parameters: all that are optimized.

    Returns:
        What the closure returns, its loss.

    Raises:
        RuntimeError: if the loss depends on a parameter, and none has a gradient.
    """
    remove_gradients(parameters)
    with torch.enable_grad():
        loss = called(closure)
    if without_gradient(parameters) and _depends_on(loss, parameters):
        raise RuntimeError("the closure left no gradient. Fix: call backward() on the loss in the closure")
    return loss


def without_gradient(parameters: Iterable[Tensor]) -> bool:
    """Return whether no parameter has a gradient."""
    return all(parameter.grad is None for parameter in parameters)


def _depends_on(loss: object, parameters: Iterable[Tensor]) -> bool:
    """Return whether the graph of a loss, which it keeps after a backward pass, leads to any parameter."""
    ends = {get_gradient_edge(parameter).node for parameter in parameters if parameter.requires_grad}
    nodes = [loss.grad_fn] if isinstance(loss, Tensor) and loss.grad_fn is not None else []
    seen = set(nodes)
    while nodes:
        node = nodes.pop()
        if node in ends:
            return True
        following = {follower for follower, _ in node.next_functions if follower is not None} - seen
        seen |= following
        nodes += following
    return False
