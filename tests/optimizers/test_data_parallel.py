"""`DistributedDataParallel` around the network: what works, and what is refused where the optimizer is made."""

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from tests.support.methods import WITHOUT_PRESETS
from tests.support.tiny_trial import closure_of, optimizer_class, wrap
from vsam_tune.registry.methods import METHODS

WRAPPERS = [name for name in WITHOUT_PRESETS if METHODS[name].optimizer]
PARTIAL = [name for name in WRAPPERS if optimizer_class(name).sample_losses]


@pytest.fixture(autouse=True)
def _process_group(tmp_path, monkeypatch):
    """A group of this process alone."""
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def network():
    with torch.random.fork_rng():
        torch.random.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 2))


def optimizer_of(name, model):
    return wrap(name, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), model=model)


def trained(model, optimizer, steps=9):
    """Return the weights after some steps."""
    points = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))

    def losses(samples):
        return model(points if samples is None else points[samples]).square().mean(dim=1)

    for _ in range(steps):
        optimizer.step(closure_of(optimizer, losses))
    return nn.utils.parameters_to_vector(model.parameters()).detach()


@pytest.mark.parametrize("around", [lambda model: model, lambda model: nn.Sequential(model, nn.Identity())])
@pytest.mark.parametrize("name", PARTIAL)
def test_a_method_that_takes_some_gradients_refuses_it_and_its_fix_works(name, around):
    model = DistributedDataParallel(network())
    method = optimizer_class(name).__name__
    with pytest.raises(ValueError, match=rf"^{method}: DistributedDataParallel waits.*, and call optimizer.distribute"):
        optimizer_of(name, around(model))
    optimizer = optimizer_of(name, model.module)
    optimizer.distribute()
    alone = network()
    assert torch.equal(trained(model.module, optimizer), trained(alone, optimizer_of(name, alone)))


@pytest.mark.parametrize("name", [name for name in WRAPPERS if name not in PARTIAL])
def test_other_methods_work_with_it_but_not_with_distribute_as_well(name):
    model, alone = DistributedDataParallel(network()), network()
    optimizer = optimizer_of(name, model)
    with pytest.raises(ValueError, match=r"^DistributedDataParallel averages the gradients, as distribute\(\) does"):
        optimizer.distribute()
    assert torch.equal(trained(model, optimizer), trained(alone, optimizer_of(name, alone)))
