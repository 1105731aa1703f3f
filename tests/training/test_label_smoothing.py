"""Label smoothing against its targets written out in float64, in every loss that an optimizer sees, and in no other."""

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

from tests.reference import label_smoothing as reference
from tests.support.tiny_trainer import tiny_loader, tiny_trainer
from vsam_tune.data.loader import Batch
from vsam_tune.errors import InputError
from vsam_tune.optimizers import ESAM
from vsam_tune.optimizers.plain import PlainOptimizer
from vsam_tune.training.closures import Closures
from vsam_tune.training.label_smoothing import over_all_classes
from vsam_tune.training.trainer import Trainer

FORMS = [(epsilon, over) for epsilon in (0.0, 0.1, 0.45) for over in ("others", "all")]


class Logits(nn.Module):
    """A network whose parameters are the logits of each image."""

    def __init__(self, num_images, num_classes):
        super().__init__()
        draws = torch.Generator().manual_seed(num_classes)
        self.z = nn.Parameter(3 * torch.randn(num_images, num_classes, generator=draws, dtype=torch.float64))

    def forward(self, x):
        return self.z[x]


def problem(num_classes, size=5):
    model, labels = Logits(size, num_classes), torch.arange(size) % num_classes
    return model, Batch(torch.arange(size), labels, torch.arange(size))


def expected(model, batch, epsilon, over):
    """Return the losses of a batch's images, and the gradient of their mean."""
    logits = model.z.tolist()
    targets = [reference.target(y, len(logits[0]), epsilon, over) for y in batch.y.tolist()]
    losses = [reference.loss(z, q) for z, q in zip(logits, targets, strict=True)]
    gradient = [reference.gradient(z, q) for z, q in zip(logits, targets, strict=True)]
    return torch.tensor(losses, dtype=torch.float64), torch.tensor(gradient, dtype=torch.float64) / len(losses)


@pytest.mark.parametrize(("epsilon", "over"), FORMS)
@pytest.mark.parametrize("num_classes", [2, 3, 10])
@pytest.mark.parametrize("micro_batches", [1, 2])
def test_the_mean_loss_and_its_gradient(micro_batches, num_classes, epsilon, over):
    model, batch = problem(num_classes)
    losses, gradient = expected(model, batch, epsilon, over)
    optimizer = PlainOptimizer(torch.optim.SGD(model.parameters(), lr=0.1))
    smoothing = over_all_classes(epsilon, over=over, num_classes=num_classes)
    closures = Closures(model, optimizer, micro_batches=micro_batches, label_smoothing=smoothing)
    assert closures.closure(batch, epoch=0)().item() == pytest.approx(losses.mean().item(), rel=1e-12)
    torch.testing.assert_close(model.z.grad, gradient, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("epsilon", "over"), FORMS)
@pytest.mark.parametrize("num_classes", [2, 10])
def test_the_losses_of_the_samples_that_a_method_selects(num_classes, epsilon, over):
    model, batch = problem(num_classes)
    losses, _ = expected(model, batch, epsilon, over)
    optimizer = ESAM(torch.optim.SGD(model.parameters(), lr=0.1))
    smoothing = over_all_classes(epsilon, over=over, num_classes=num_classes)
    closure = Closures(model, optimizer, label_smoothing=smoothing).closure(batch, epoch=0)
    torch.testing.assert_close(closure(None).detach(), losses, rtol=1e-12, atol=1e-14)
    selected = torch.tensor([3, 1])
    torch.testing.assert_close(closure(selected).detach(), losses[selected], rtol=1e-12, atol=1e-14)


@given(num_classes=st.integers(2, 200), epsilon=st.floats(0, 1, exclude_max=True), y=st.integers(0, 199))
def test_the_other_classes_alone_are_all_classes_with_a_larger_epsilon(num_classes, epsilon, y):
    assume(epsilon * num_classes < num_classes - 1)
    larger = over_all_classes(epsilon, over="others", num_classes=num_classes)
    assert epsilon <= larger <= 1
    label = y % num_classes
    others = reference.target(label, num_classes, epsilon, "others")
    over_all = reference.target(label, num_classes, larger, "all")
    assert others == pytest.approx(over_all, rel=1e-12, abs=1e-15)
    assert sum(others) == pytest.approx(1, rel=1e-12)


@given(logits=st.lists(st.floats(-5, 5), min_size=2, max_size=6), epsilon=st.floats(0.01, 0.49))
def test_the_divergence_that_the_authors_minimise_differs_by_a_constant(logits, epsilon):
    q = reference.target(0, len(logits), epsilon, "others")
    difference = reference.loss(logits, q) - reference.divergence(logits, q)
    assert difference == pytest.approx(reference.loss([0.0] * len(q), q) - reference.divergence([0.0] * len(q), q))


def test_over_all_classes_is_torch_s_own():
    assert over_all_classes(0.3, over="all", num_classes=7) == 0.3


@pytest.mark.parametrize(("num_classes", "most"), [(2, "0.5"), (10, "0.9"), (100, "0.99")])
def test_too_strong_for_so_few_classes(num_classes, most):
    limit = float(most)
    for epsilon in (limit, (1 + limit) / 2):
        with pytest.raises(InputError) as error:
            over_all_classes(epsilon, over="others", num_classes=num_classes)
        assert error.value.lines == (
            f"task: label_smoothing = {epsilon}: must be below {most} for {num_classes} classes; a wrong class must "
            "get less of the target than the label's class. Fix: write a number such as 0.1.",
        )
        assert over_all_classes(epsilon, over="all", num_classes=num_classes) == epsilon
    assert 0.99 <= over_all_classes(limit - 1e-4, over="others", num_classes=num_classes) <= 1
    assert over_all_classes(0.1, over="others", num_classes=num_classes) > 0.1


def smoothed(name, label_smoothing):
    made = tiny_trainer(name)
    closures = Closures(made.model, made.optimizer, loss_term=made.loss_term, label_smoothing=label_smoothing)
    return Trainer(made.model, made.optimizer, made.loader, epochs=made.epochs, closures=closures)


def test_without_smoothing_nothing_changes_and_an_evaluation_never_smooths():
    losses, trainers = [], []
    for smoothing in (None, 0.0, 0.2):
        trainers.append(tiny_trainer("sam") if smoothing is None else smoothed("sam", smoothing))  # dropout starts anew
        losses.append(trainers[-1].train_epoch()["train_loss"])
    assert losses[0] == losses[1] != losses[2]
    plain, _, some = trainers
    some.model.load_state_dict(plain.model.state_dict())
    assert some.evaluate(tiny_loader()) == plain.evaluate(tiny_loader())
