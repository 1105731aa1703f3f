"""All settings of the closures together, with every method, and compiled networks: still exact, still no read."""

from functools import partial

import pytest
import torch
from torch._dynamo.utils import counters

from tests.support.methods import others_slow
from tests.support.tiny_trainer import ITERATIONS_PER_EPOCH, ticking, tiny_trainer, train_to_end, weights
from tests.support.tiny_trial import equal_state, optimizer_class
from tests.support.value_reads import NoValueIsRead
from vsam_tune.registry.methods import METHODS
from vsam_tune.training.closures import Closures
from vsam_tune.training.trainer import Trainer

BATCH_WISE = [name for name in METHODS if getattr(optimizer_class(name), "sample_losses", False)]
WITHOUT_READS = [name for name in METHODS if not METHODS[name].synchronises]
# ESAM has a second pass, selects samples and takes the gradients itself; SAM has a second pass; two are loss terms
COMPILED = ["esam", *(pytest.param(name, marks=pytest.mark.slow) for name in ("sam", "saf", "mesa"))]


def trainer(name, **settings):
    made = tiny_trainer(name, clock=ticking(), interval=100)
    closures = Closures(made.model, made.optimizer, loss_term=made.loss_term, **settings)
    return Trainer(made.model, made.optimizer, made.loader, epochs=made.epochs, closures=closures, clock=ticking())


def all_of_them(name):
    parts = 1 if name in BATCH_WISE else 2
    return {"precision": "bfloat16", "micro_batches": parts, "max_gradient_norm": 0.5, "label_smoothing": 0.1}


@pytest.mark.parametrize("name", others_slow(METHODS))
def test_a_trainer_resumed_ends_with_the_same_bits(name):
    straight = trainer(name, **all_of_them(name))
    metrics = train_to_end(straight)
    assert metrics[-1]["train_loss"] < metrics[0]["train_loss"]
    first, resumed = (trainer(name, **all_of_them(name)) for _ in range(2))
    first.train_epoch()
    resumed.load_state_dict(first.state_dict())
    assert train_to_end(resumed) == metrics[1:]
    assert equal_state(resumed.state_dict(), straight.state_dict())
    parts = all_of_them(name)["micro_batches"]
    assert straight.model[1].num_batches_tracked == parts * straight.iteration


@pytest.mark.parametrize("name", others_slow(WITHOUT_READS))
def test_nothing_is_read_from_the_device_within_an_iteration(name):
    made = trainer(name, **all_of_them(name))
    with NoValueIsRead():
        made.iterate(made.loader.batches(0), ITERATIONS_PER_EPOCH)


@pytest.mark.parametrize("name", COMPILED)
def test_a_compiled_network_trains_to_the_same_bits(name, monkeypatch):
    """As torch traces it, without the code generator, whose rounding is another."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    torch._dynamo.reset()
    counters.clear()
    trained = {}
    for compiled in (False, True):
        trained[compiled] = trainer(name, compiled=compiled)  # the random numbers of dropout start anew
        trained[compiled].train_epoch()
        trained[compiled].train_epoch()
    assert counters["stats"]["unique_graphs"] >= 2  # of the batch's sizes; a frozen batch norm has its own
    assert torch.equal(weights(trained[True].model), weights(trained[False].model))
    assert equal_state(dict(trained[True].model.named_buffers()), dict(trained[False].model.named_buffers()))
    assert trained[True].model[1].num_batches_tracked == 2 * ITERATIONS_PER_EPOCH
