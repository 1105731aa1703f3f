"""Layers of a network; vSAM's controller takes its norms over the last few."""

from collections.abc import Sequence

from torch import Tensor, nn

Layer = tuple[Tensor, ...]


def layers_of(parameters: Sequence[Tensor], model: nn.Module | None) -> list[Layer]:
    """Return the layers, first to last.

    Args:
        parameters: those that are optimized, in order.
        model: each of its modules that directly holds optimized parameters is a layer, in the order of
            `model.modules()`. Without a model, a layer is a tensor of two dimensions or more, with the tensors of fewer
            dimensions that follow it.

    Returns:
        At least one layer, if there are parameters. A tensor that two modules share is in both layers.
    """
    if model is None:
        return _layers_by_shape(parameters)
    optimized = {id(parameter) for parameter in parameters}
    owned = (
        tuple(parameter for parameter in module.parameters(recurse=False) if id(parameter) in optimized)
        for module in model.modules()
    )
    return [layer for layer in owned if layer]


def _layers_by_shape(parameters: Sequence[Tensor]) -> list[Layer]:
    layers: list[list[Tensor]] = []
    for parameter in parameters:
        if parameter.ndim >= 2 or not layers:
            layers.append([])
        layers[-1].append(parameter)
    return [tuple(layer) for layer in layers]


def last_with_gradient(layers: Sequence[Layer], num_layers: int) -> list[Tensor]:
    """Return the tensors that have a gradient in the last `num_layers` layers that have any; 0 is all layers.

    Layers without a gradient now, such as frozen ones, do not count; each tensor comes once.
    """
    tensors: dict[Tensor, None] = {}
    found = 0
    for layer in reversed(layers):
        having = [parameter for parameter in layer if parameter.grad is not None]
        tensors.update(dict.fromkeys(having))
        found += bool(having)
        if found == num_layers:
            break
    return list(tensors)
