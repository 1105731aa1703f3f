"""The closures of a batch: parts that add up to it, losses of some samples, the loss term, where clipping happens."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from vsam_tune.data.loader import Batch
from vsam_tune.loss_terms.loss_term import LossTerm
from vsam_tune.optimizers import ESAM, SAM
from vsam_tune.optimizers.plain import PlainOptimizer
from vsam_tune.training.closures import Closures


def network(dtype=torch.float64):
    """Return a network that treats each image by itself: it has no batch norm."""
    layers = nn.Sequential(nn.Flatten(), nn.Linear(9, 4), nn.Tanh(), nn.Linear(4, 3))
    draws = torch.Generator().manual_seed(0)
    for parameter in layers.parameters():
        nn.init.normal_(parameter, std=0.5, generator=draws)
    return layers.to(dtype)


def batch(size=7, dtype=torch.float64):
    draws = torch.Generator().manual_seed(1)
    x = torch.randn(size, 1, 3, 3, generator=draws, dtype=torch.float64).to(dtype)
    return Batch(x, torch.arange(size) % 3, torch.arange(10, 10 + size))


def sgd(model, lr=1.0):
    return torch.optim.SGD(model.parameters(), lr=lr)


def plain(model):
    return PlainOptimizer(sgd(model))


def gradient_of(model):
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()]).clone()


def plain_gradient(model, images, penalty=lambda _: 0.0):
    """Return the gradient of the mean loss of a batch, and that loss without the penalty."""
    logits = model(images.x)
    loss = cross_entropy(logits, images.y)
    gradients = torch.autograd.grad(loss + penalty(logits), list(model.parameters()))
    return torch.cat([gradient.flatten() for gradient in gradients]), loss.item()


@pytest.mark.parametrize("micro_batches", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("size", [7, 1])
def test_parts_add_up_to_the_whole_batch(size, micro_batches):
    model, images, sizes = network(), batch(size), []
    expected, loss = plain_gradient(model, images)
    model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    closure = Closures(model, plain(model), micro_batches=micro_batches).closure(images, epoch=0)
    for _ in range(2):  # the gradients of the first call are cleared
        assert closure().item() == pytest.approx(loss, rel=1e-12)
        assert torch.allclose(gradient_of(model), expected, rtol=1e-12)
    assert len(sizes) == 2 * min(size, micro_batches)
    assert sum(sizes) == 2 * size
    assert max(sizes) - min(sizes) <= 1


def test_the_closure_of_a_method_that_selects_returns_the_losses_of_what_it_selects():
    model, images = network(), batch()
    closure = Closures(model, ESAM(sgd(model))).closure(images, epoch=0)
    expected = cross_entropy(model(images.x), images.y, reduction="none")
    assert torch.equal(closure(None), expected)
    positions = torch.tensor([6, 2])
    losses = closure(positions)
    assert torch.allclose(losses, expected[positions], rtol=1e-12)
    assert losses.requires_grad


class Penalty(LossTerm):
    """The mean over the images of 10 * index * |logits|^2, from epoch 1 on."""

    memory_bytes = 0

    def __init__(self):
        self.epochs = []

    def __call__(self, logits, x, index, *, epoch):
        self.epochs.append(epoch)
        assert torch.equal(x, batch().x[index - 10])
        return (10 * index * logits.square().sum(dim=1)).mean() if epoch else None

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


@pytest.mark.parametrize("micro_batches", [1, 3])
def test_the_loss_term_is_in_the_gradient_and_not_in_the_loss(micro_batches):
    model, images, term = network(), batch(), Penalty()

    def mean_penalty(logits):
        return (10 * images.index * logits.square().sum(dim=1)).mean()

    closures = Closures(model, plain(model), loss_term=term, micro_batches=micro_batches)
    expected, loss = plain_gradient(model, images, mean_penalty)
    assert closures.closure(images, epoch=1)().item() == pytest.approx(loss, rel=1e-12)
    assert torch.allclose(gradient_of(model), expected, rtol=1e-12)
    assert closures.penalty.item() == pytest.approx(mean_penalty(model(images.x)).item(), rel=1e-12)
    without, _ = plain_gradient(model, images)
    closures.closure(images, epoch=0)()
    assert torch.allclose(gradient_of(model), without, rtol=1e-12)
    assert closures.penalty is None
    assert term.epochs == [1] * micro_batches + [0] * micro_batches


@pytest.mark.parametrize("micro_batches", [1, 3])
def test_the_gradient_that_is_descended_along_is_clipped_and_no_other(micro_batches):
    """Of the base alone the only one, of SAM the second one, when all of its parts are there."""
    for method in (None, SAM):
        model, images = network(), batch()
        optimizer = plain(model) if method is None else SAM(sgd(model), rho=0.5, norm_layers=0)
        closures = Closures(model, optimizer, micro_batches=micro_batches, max_gradient_norm=1e-3)
        first, _ = plain_gradient(model, images)
        start = nn.utils.parameters_to_vector(model.parameters()).detach()
        optimizer.step(closures.closure(images, epoch=0))
        moved = start - nn.utils.parameters_to_vector(model.parameters()).detach()
        second = first
        if method is SAM:
            assert optimizer.observation.l2_sgd.item() == pytest.approx(first.norm().item(), rel=1e-12)
            there = network()
            nn.utils.vector_to_parameters(start + 0.5 * first / first.norm(), there.parameters())
            second, _ = plain_gradient(there, images)
        assert moved.norm().item() == pytest.approx(1e-3, rel=1e-2)  # torch adds 1e-6 to the norm
        assert torch.allclose(moved / moved.norm(), second / second.norm(), rtol=1e-9)


def test_a_gradient_shorter_than_the_limit_is_left_alone():
    model, images = network(), batch()
    expected, _ = plain_gradient(model, images)
    optimizer = plain(model)
    optimizer.step(Closures(model, optimizer, max_gradient_norm=1e3).closure(images, epoch=0))
    assert torch.allclose(gradient_of(model), expected, rtol=1e-12)


def test_half_precision_is_the_forward_passes_alone():
    model, images, dtypes = network(torch.float32), batch(dtype=torch.float32), []
    expected, loss = plain_gradient(model, images)
    model.register_forward_hook(lambda _module, _inputs, logits: dtypes.append(logits.dtype))
    found = Closures(model, plain(model), precision="bfloat16").closure(images, epoch=0)()
    assert dtypes == [torch.bfloat16]
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(loss, rel=0.02)
    assert all(parameter.dtype == parameter.grad.dtype == torch.float32 for parameter in model.parameters())
    assert torch.nn.functional.cosine_similarity(gradient_of(model), expected, dim=0) > 0.99
    assert not torch.equal(gradient_of(model), expected)
