"""The custom methods in docs/methods.md are built by name, and they train."""

import sys
from types import ModuleType

import pytest
import torch
from torch.nn.functional import cross_entropy

from tests.support.docs.pages import ROOT, blocks
from tests.support.tiny_trial import batches, tiny_network
from vsam_tune.data.loader import Batch
from vsam_tune.optimizers.plain import PlainOptimizer
from vsam_tune.training.build import build_optimizer
from vsam_tune.training.closures import Closures


@pytest.fixture
def mine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `mine.py` of the page importable."""
    module = ModuleType("mine")
    written = next(text for language, text in blocks(ROOT / "docs" / "methods.md") if "class EarlySAM" in text)
    exec(written, module.__dict__)  # noqa: S102 - ours
    monkeypatch.setitem(sys.modules, "mine", module)


def trained(method):
    """Return optimizer and loss term after 4 epochs of 5 iterations, and the penalty of each iteration."""
    network, penalties = tiny_network(), []
    optimizer, loss_term = build_optimizer(
        network,
        base={"optimizer": "torch.optim:SGD", "lr": 0.1, "momentum": 0.9},
        method=method,
        iterations_per_epoch=5,
        epochs=4,
        num_images=35,
        num_classes=5,
        seed=0,
    )
    closures = Closures(network, optimizer, loss_term=loss_term)
    for epoch in range(4):
        for x, y in batches():
            loss = optimizer.step(closures.closure(Batch(x, y, torch.arange(len(y))), epoch=epoch))
            assert loss.isfinite()
            penalties.append(closures.penalty)
    assert cross_entropy(network(x), y).isfinite()
    return optimizer, loss_term, penalties


@pytest.mark.usefixtures("mine")
def test_the_optimizer_of_the_page_is_sam_in_its_part_of_the_run():
    optimizer, loss_term, _ = trained({"name": "mine:EarlySAM", "rho": 0.1, "part": 0.25})
    assert loss_term is None
    assert (optimizer.iterations, optimizer.gradient_evaluations) == (20, 25)


@pytest.mark.usefixtures("mine")
def test_the_loss_term_of_the_page_adds_to_the_loss_after_its_start():
    optimizer, _, penalties = trained({"name": "mine:SmallLogits", "weight": 0.1, "start_epoch": 1})
    assert (type(optimizer), type(optimizer.base)) == (PlainOptimizer, torch.optim.SGD)
    assert [penalty is None for penalty in penalties] == [True] * 10 + [False] * 10
    assert all(penalty > 0 for penalty in penalties[10:])
