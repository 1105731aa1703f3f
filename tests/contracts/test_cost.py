"""Gradient evaluations are what is said, counted from outside; no iteration waits for the device."""

import pytest
import torch

from tests.support.methods import WITHOUT_PRESETS
from tests.support.tiny_trial import TinyTrial, closure_of, optimizer_class, taken, tiny_network, wrap
from tests.support.value_reads import NoValueIsRead, ValueReadError
from vsam_tune.analysis.published_tables import rows_of
from vsam_tune.registry.methods import METHODS

ADAPTS = {"vsam", "vsam_a"}  # their cost follows the training
WRAPPERS = [name for name in WITHOUT_PRESETS if METHODS[name].optimizer]
WITHOUT_READS = [name for name in WITHOUT_PRESETS if not METHODS[name].synchronises]


@pytest.mark.parametrize("name", WITHOUT_PRESETS)
def test_passes_are_what_the_network_sees(name):
    trial = TinyTrial(name)
    trial.train(30)
    evaluations = trial.optimizer.gradient_evaluations if METHODS[name].optimizer else 30
    forward_passes = trial.optimizer.forward_passes if METHODS[name].optimizer else 0
    assert trial.backwards == pytest.approx(evaluations, abs=1e-9)
    assert trial.forwards == pytest.approx(evaluations + forward_passes, abs=1e-9)


@pytest.mark.parametrize("name", WRAPPERS)
def test_an_iteration_that_is_not_sampled_costs_one_and_one_that_is_costs_more(name):
    trial = TinyTrial(name)
    for iteration in range(1, 31):
        before = trial.backwards
        trial.step()
        observation = trial.optimizer.observation
        assert (trial.backwards - before > 1) == observation.sampled
        assert observation.sampled or trial.backwards - before == 1
        assert (observation.l2_psf is not None) == observation.sampled
        assert observation.l2_sgd.shape == ()
        assert observation.l2_sgd > 0
        assert trial.optimizer.iterations == iteration


def test_the_listed_cost_of_vsam_is_that_of_the_papers_table():
    row = next(each for each in rows_of("cifar10/resnet18", quantized=False) if each.method == "vsam")
    assert METHODS["vsam"].gradient_evaluations == pytest.approx(1 + row.sampling_number / 78_200, abs=0.005)
    assert METHODS["vsam_a"].gradient_evaluations == METHODS["vsam"].gradient_evaluations


@pytest.mark.parametrize("name", [name for name in METHODS if METHODS[name].optimizer and name not in ADAPTS])
def test_the_listed_cost_is_the_cost_at_the_default_settings(name):
    """On a stationary squared norm, which is Gaussian.

    Eight tensors, so that a method which leaves some out hardly ever leaves out all.
    """
    iterations, draws = 400, torch.Generator().manual_seed(0)
    weights = [torch.nn.Parameter(torch.full((5,), 0.1**0.5)) for _ in range(8)]
    base = torch.optim.SGD(weights, lr=0.0)
    cls = optimizer_class(name)
    optimizer = cls(base, **METHODS[name].fixed, **taken(cls, {"num_iterations": iterations}))
    for _ in range(iterations):
        scale = (10 + torch.randn((), generator=draws)).sqrt()
        losses = scale * torch.ones(4)

        def sample_losses(samples, losses=losses):
            return (losses if samples is None else losses[samples]) * torch.cat(weights).square().sum()

        optimizer.step(closure_of(optimizer, sample_losses))
    assert optimizer.gradient_evaluations / iterations == pytest.approx(METHODS[name].gradient_evaluations, abs=0.05)
    assert optimizer.forward_passes / iterations == METHODS[name].forward_passes


@pytest.mark.parametrize("name", WITHOUT_READS)
def test_no_value_is_read_between_the_ends_of_intervals(name):
    interval = 12
    trial = TinyTrial(name, interval=interval)
    for iteration in range(1, 2 * interval + 1):
        if iteration % interval == 0:
            trial.step()
            continue
        with NoValueIsRead():
            trial.step()


def test_the_guard_above_refuses_to_read_a_value():
    with NoValueIsRead(), pytest.raises(ValueReadError):
        torch.ones(()).item()


@pytest.mark.parametrize("name", [name for name in WITHOUT_READS if METHODS[name].optimizer])
def test_iterations_run_on_a_device_that_has_no_values(name):
    """On torch's meta device any read of a value is an error, a copy to the host included."""
    network = tiny_network().to("meta")
    optimizer = wrap(name, torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9), model=network, interval=40)

    def losses(samples):
        size = 8 if samples is None else len(samples)
        return network(torch.empty(size, 1, 6, 6, device="meta")).square().mean(dim=1)

    for _ in range(12):  # sampled ones and others; an interval has 40
        assert optimizer.step(closure_of(optimizer, losses)).device.type == "meta"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("name", WITHOUT_READS)
def test_cuda_does_not_synchronise(name):
    network = tiny_network().to("cuda")
    optimizer = wrap(name, torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9), model=network, interval=40)
    images = torch.randn(8, 1, 6, 6, device="cuda")

    def losses(samples):
        return network(images if samples is None else images[samples]).square().mean(dim=1)

    optimizer.step(closure_of(optimizer, losses))
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(38):
            optimizer.step(closure_of(optimizer, losses))
    finally:
        torch.cuda.set_sync_debug_mode("default")
