"""The interface: what is refused, what the closure finds, which base optimizers are taken."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from tests.support.tiny_trial import TinyTrial
from vsam_tune.optimizers import ESAM, SAM, SAMON, VSAM, PeriodicSAM

METHODS = [SAM, PeriodicSAM, VSAM]


def weight():
    return nn.Parameter(torch.tensor([[1.0, -2.0], [3.0, 4.0]]))


def closure_of(optimizer, parameter):
    def closure():
        optimizer.zero_grad()
        loss = parameter.square().sum()
        loss.backward()
        return loss

    return closure


@pytest.mark.parametrize("method", METHODS)
def test_a_step_without_closure_says_what_it_needs(method):
    with pytest.raises(TypeError, match=rf"{method.__name__}.step needs a closure that clears the gradients"):
        method(torch.optim.SGD([weight()], lr=0.1)).step()


@pytest.mark.parametrize("method", [ESAM, SAMON])
def test_a_method_that_takes_the_gradients_itself_asks_for_the_losses_of_samples(method):
    parameter = weight()
    optimizer = method(torch.optim.SGD([parameter], lr=0.1))
    usual = closure_of(optimizer, parameter)
    asked = rf"{method.__name__}.step needs a closure that takes the positions of samples, or None for the whole batch"
    with pytest.raises(TypeError, match=asked):
        optimizer.step()
    with pytest.raises(TypeError, match=asked):
        optimizer.step(lambda _: usual())
    assert torch.equal(parameter, weight())


@pytest.mark.parametrize("method", METHODS)
def test_a_base_that_evaluates_by_itself_is_refused(method):
    for base in (torch.optim.LBFGS([weight()]), SAM(torch.optim.SGD([weight()], lr=0.1))):
        with pytest.raises(ValueError, match=rf"the value of base is '{type(base).__name__}', but must be"):
            method(base)


@pytest.mark.parametrize("rho", [-0.1, float("nan"), float("inf"), "0.05", None])
def test_a_rho_that_is_no_radius_is_refused(rho):
    with pytest.raises(ValueError, match=r"the value of rho is .*, but must be a number >= 0"):
        SAM(torch.optim.SGD([weight()], lr=0.1), rho=rho)
    with pytest.raises(ValueError, match=r"the value of rho is .*, but must be a number >= 0"):
        SAM(torch.optim.SGD([{"params": [weight()], "rho": rho}], lr=0.1))


@pytest.mark.parametrize(
    "base",
    [
        lambda parameters: torch.optim.SGD(parameters, lr=0.01, momentum=0.9, nesterov=True),
        lambda parameters: torch.optim.Adam(parameters, lr=0.01, amsgrad=True),
        lambda parameters: torch.optim.AdamW(parameters, lr=0.01),
        lambda parameters: torch.optim.RMSprop(parameters, lr=0.01),
        lambda parameters: torch.optim.Adagrad(parameters, lr=0.01),
        lambda parameters: torch.optim.Adafactor(parameters, lr=0.01),
        lambda parameters: torch.optim.NAdam(parameters, lr=0.01),
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_any_other_torch_optimizer_may_be_the_base(method, base):
    parameter = weight()
    optimizer = method(base([parameter]))
    losses = [optimizer.step(closure_of(optimizer, parameter)).item() for _ in range(30)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("method", METHODS)
def test_the_closure_runs_with_gradients_enabled_inside_no_grad(method):
    parameter = weight()
    optimizer = method(torch.optim.SGD([parameter], lr=0.1))
    with torch.no_grad():
        loss = optimizer.step(closure_of(optimizer, parameter))
        assert not torch.is_grad_enabled()
    assert loss.item() == 30.0


@pytest.mark.parametrize("name", ["sam", "periodic_sam", "vsam"])
def test_rho_zero_is_the_base_optimizer_bit_for_bit_with_dropout_too(name):
    trajectories = []
    for trial in (TinyTrial(name, rho=0.0, dropout=0.5), TinyTrial("sgd", dropout=0.5)):
        with torch.random.fork_rng():
            torch.random.manual_seed(0)
            trajectories.append((trial.train(20), trial.weights.tolist()))
    assert trajectories[0] == trajectories[1]


def test_step_hooks_of_wrapper_and_base_are_called_once_a_step():
    parameter, calls = weight(), []
    base = torch.optim.SGD([parameter], lr=0.1)
    optimizer = SAM(base)
    optimizer.register_step_post_hook(lambda *_: calls.append("wrapper"))
    base.register_step_post_hook(lambda *_: calls.append("base"))
    optimizer.step(closure_of(optimizer, parameter))
    assert calls == ["base", "wrapper"]


def test_a_state_of_the_plain_base_may_be_loaded_into_the_base():
    """Pre-trained with SGD, finished with SAM."""
    plain, parameter = torch.optim.SGD([weight()], lr=0.3, momentum=0.9), weight()
    base = torch.optim.SGD([parameter], lr=0.1, momentum=0.9)
    optimizer = SAM(base, rho=0.2)
    base.load_state_dict(plain.state_dict())
    assert optimizer.param_groups[0]["lr"] == 0.3
    assert optimizer.param_groups[0]["rho"] == 0.2
    optimizer.step(closure_of(optimizer, parameter))


def test_without_a_model_the_second_pass_updates_the_statistics_again():
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    optimizer = SAM(torch.optim.SGD(network.parameters(), lr=0.1))

    def closure():
        optimizer.zero_grad()
        loss = network(torch.arange(8.0).reshape(4, 2)).square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert network[1].num_batches_tracked.item() == 2


def test_importing_the_optimizers_imports_one_remark_and_nothing_else_of_the_project():
    program = "import sys, vsam_tune.optimizers; print(*sys.modules)"
    printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    loaded = set(printed.split())
    ours = {name for name in loaded if name.startswith(("vsam_tune.", "search_spaces", "trainables"))}
    assert {"torch", "vsam_tune.optimizers.vsam"} <= loaded
    light = {f"vsam_tune.{name}" for name in ("import_path", "optimizers", "registry", "registry.never_adapted")}
    assert all(name in light or name.startswith("vsam_tune.optimizers.") for name in ours)
    assert loaded.isdisjoint({"ray", "optuna", "mlflow", "pandas", "plotly", "torchvision", "sklearn"})
