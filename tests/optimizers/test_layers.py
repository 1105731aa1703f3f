"""Which tensors the norms are taken over."""

import pytest
import torch
from torch import nn

from vsam_tune.optimizers.layers import last_with_gradient, layers_of


def network():
    block = nn.Sequential(nn.Linear(2, 2))
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), block, nn.Linear(2, 2))


def with_gradients(layers):
    for layer in layers:
        for tensor in layer:
            tensor.grad = torch.zeros_like(tensor)
    return layers


def names(model, tensors):
    name_of = {parameter: name for name, parameter in model.named_parameters()}
    return [name_of[tensor] for tensor in tensors]


def test_layers_of_a_model_are_its_modules_with_parameters_in_order():
    model = network()
    layers = [names(model, layer) for layer in layers_of(list(model.parameters()), model)]
    assert layers == [
        ["0.weight", "0.bias"],
        ["1.weight", "1.bias"],
        ["3.0.weight", "3.0.bias"],
        ["4.weight", "4.bias"],
    ]


def test_without_a_model_a_layer_is_a_matrix_with_the_vectors_that_follow():
    model = network()
    layers = [names(model, layer) for layer in layers_of(list(model.parameters()), None)]
    assert layers == [
        ["0.weight", "0.bias", "1.weight", "1.bias"],  # batch norm joins its convolution
        ["3.0.weight", "3.0.bias"],
        ["4.weight", "4.bias"],
    ]


def test_vectors_alone_are_one_layer():
    vectors = [nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))]
    assert layers_of(vectors, None) == [tuple(vectors)]
    assert layers_of([], None) == []


def test_parameters_that_are_not_optimized_make_no_layer():
    model = network()
    layers = [names(model, layer) for layer in layers_of(list(model[:4].parameters()), model)]
    assert layers[-1] == ["3.0.weight", "3.0.bias"]


@pytest.mark.parametrize(
    ("num_layers", "expected"),
    [
        (1, ["4.weight", "4.bias"]),
        (2, ["4.weight", "4.bias", "3.0.weight", "3.0.bias"]),
        (0, ["4.weight", "4.bias", "3.0.weight", "3.0.bias", "1.weight", "1.bias", "0.weight", "0.bias"]),
        (9, ["4.weight", "4.bias", "3.0.weight", "3.0.bias", "1.weight", "1.bias", "0.weight", "0.bias"]),
    ],
)
def test_the_last_layers(num_layers, expected):
    model = network()
    layers = with_gradients(layers_of(list(model.parameters()), model))
    assert names(model, last_with_gradient(layers, num_layers)) == expected


def test_layers_without_gradient_do_not_count():
    model = network()
    layers = with_gradients(layers_of(list(model.parameters()), model))
    model[4].weight.grad = model[4].bias.grad = model[3][0].bias.grad = None
    assert names(model, last_with_gradient(layers, 1)) == ["3.0.weight"]
    assert last_with_gradient([], 1) == []


def test_a_shared_tensor_comes_once():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    layers = with_gradients(layers_of(list(model.parameters()), model))
    assert names(model, last_with_gradient(layers, 0)) == ["0.weight", "1.bias", "0.bias"]
