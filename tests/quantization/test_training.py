"""Training a quantized network: against the equations, with every method, and with a resume."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.reference import lsq as reference
from tests.support.methods import WITHOUT_PRESETS, others_slow
from tests.support.quantized_networks import KINDS, images, quantizers, small_model, tiny_quantized
from tests.support.tiny_trainer import ticking, tiny_trainer, train_to_end
from tests.support.tiny_trial import batches, closure_of, equal_state, wrap
from tests.support.value_reads import NoValueIsRead
from vsam_tune.optimizers import SAM, VSAM
from vsam_tune.quantization.calibration import calibrate
from vsam_tune.quantization.integers import check_integers
from vsam_tune.quantization.parameter_groups import parameter_groups, step_sizes
from vsam_tune.quantization.transform import quantize_model
from vsam_tune.registry.methods import METHODS
from vsam_tune.training.checkpoint import load_checkpoint, save_checkpoint

BASE = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}
WRAPPERS = [name for name in WITHOUT_PRESETS if METHODS[name].optimizer]


def sgd(model, **changed):
    return torch.optim.SGD(parameter_groups(model), **BASE | changed)


def take_step(model, optimizer, batch):
    x, y = batch

    def losses(samples):
        logits = model(x if samples is None else x[samples])
        return nn.functional.cross_entropy(logits, y if samples is None else y[samples], reduction="none")

    return optimizer.step(closure_of(optimizer, losses))


def flat(tensors):
    return torch.cat([tensor.detach().flatten() for tensor in tensors]).numpy().copy()


def weights_and_steps(model):
    weights, steps = parameter_groups(model)
    return flat(weights["params"]), flat(steps["params"])


class Regression:
    """Return two linear layers of 4 bits with ReLU between, and batches of random vectors, in float64."""

    def __init__(self):
        draws = torch.Generator().manual_seed(0)
        self.model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).double()
        for parameter in self.model.parameters():
            nn.init.normal_(parameter, generator=draws)
        self.weights = [parameter.detach().numpy().copy() for parameter in self.model.parameters()]
        self.batches = [
            tuple(torch.randn(size, width, generator=draws, dtype=torch.float64) for width in (3, 2))
            for size in (5, 5, 4)
        ]
        quantize_model(self.model, first_last_bits=4)
        calibrate(self.model, self.batches[0][0])

    def step(self, optimizer, t):
        x, target = self.batches[t % len(self.batches)]

        def closure():
            optimizer.zero_grad()
            loss = 0.5 * (self.model(x) - target).square().sum() / len(x)
            loss.backward()
            return loss

        optimizer.step(closure)


@pytest.mark.parametrize("rho", [0.0, 0.3])
def test_follows_the_reference(rho):
    """Weights and steps agree to 1e-12 at first, to 1e-10 over the run; steps are neither perturbed nor decayed."""
    problem = Regression()
    arrays = [tuple(each.numpy() for each in batch) for batch in problem.batches]
    path = reference.trajectory(problem.weights, arrays, 50, rho=rho, **BASE)
    optimizer = SAM(sgd(problem.model), rho=rho) if rho else sgd(problem.model)
    for t, expected in enumerate(path):
        if t:
            problem.step(optimizer, t - 1)
        for found, wanted in zip(weights_and_steps(problem.model), expected, strict=True):
            error = np.linalg.norm(found - wanted) / np.linalg.norm(wanted)
            assert error <= (1e-12 if t <= 5 else 1e-10), f"iteration {t}: relative error {error}"
    assert len({tuple(steps) for _, steps in path}) == 51


@pytest.mark.parametrize("name", KINDS)
def test_one_step_changes_every_step_size(name):
    model = quantize_model(small_model(name).double())
    optimizer = sgd(model)  # before calibration: the steps that it holds are those that are trained
    x = images().double()
    calibrate(model, x)
    before = flat(step_sizes(model))
    take_step(model, optimizer, (x, torch.arange(4)))
    after = flat(step_sizes(model))
    assert len(after) == len(quantizers(model)) > 0
    assert (after != before).all()
    assert len(check_integers(model)) == len(after) / 2


@pytest.mark.parametrize("name", WRAPPERS)
def test_no_method_perturbs_the_steps(name):
    """Each pass uses the same steps, bit for bit, and a learning rate of 0 does not change them."""
    model = tiny_quantized()
    optimizer = wrap(name, sgd(model, lr=0.0), model=model, rho=0.5)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    steps, seen = flat(step_sizes(model)), []
    model.register_forward_pre_hook(lambda *_: seen.append(flat(step_sizes(model))))
    for i in range(12):
        take_step(model, optimizer, batches()[i % 4])
    assert len(seen) >= 12
    assert all(np.array_equal(each, steps) for each in seen)
    assert all(map(torch.equal, model.parameters(), before))


def test_the_norm_of_the_perturbation_is_over_the_other_parameters():
    model = tiny_quantized(dtype=torch.float64)
    optimizer, seen = SAM(sgd(model), rho=0.5, model=model), []
    model.register_forward_pre_hook(lambda *_: seen.append(weights_and_steps(model)))
    take_step(model, optimizer, batches(torch.float64)[0])
    (first, _), (second, _) = seen
    assert np.linalg.norm(second - first) == pytest.approx(0.5, rel=1e-12)


def test_steps_descend_along_the_second_gradient_of_sam():
    model, twin = tiny_quantized(dtype=torch.float64), tiny_quantized(dtype=torch.float64)
    batch, perturbed = batches(torch.float64)[0], []
    model.register_forward_pre_hook(lambda *_: perturbed.append(weights_and_steps(model)[0]))
    before = flat(step_sizes(model))
    take_step(model, SAM(sgd(model), rho=0.5, model=model), batch)
    weights = parameter_groups(twin)[0]["params"]
    nn.utils.vector_to_parameters(torch.from_numpy(perturbed[1]), weights)
    nn.functional.cross_entropy(twin(batch[0]), batch[1]).backward()
    gradient = flat([step.grad for step in step_sizes(twin)])
    assert flat(step_sizes(model)) == pytest.approx(before - BASE["lr"] * gradient, rel=1e-12)


def test_the_last_two_tensors_that_vsam_looks_at_are_a_weight_and_a_bias_not_step_sizes():
    model = tiny_quantized(dtype=torch.float64)
    optimizer = VSAM(sgd(model), warmup_iterations=0, norm_tensors=2, uniform=lambda _: 0.0, model=model)
    take_step(model, optimizer, batches(torch.float64)[0])
    seen = flat([model[9].weight.grad, model[9].bias.grad])
    assert optimizer.observation.l2_sgd.item() == pytest.approx(np.linalg.norm(seen), rel=1e-12)


def test_the_groups():
    model = tiny_quantized()
    model[3].weight.requires_grad_(False)
    weights, steps = parameter_groups(model)
    assert steps == {"params": step_sizes(model), "weight_decay": 0.0, "perturbed": False}
    assert list(weights) == ["params"]
    assert all(any(each is own for own in model.parameters()) for each in weights["params"])
    everything = {id(each) for each in model.parameters()} - {id(model[3].weight)}
    assert {id(each) for each in weights["params"] + steps["params"]} == everything


def test_a_network_in_full_precision_has_one_group():
    model = nn.Linear(3, 2)
    (group,) = parameter_groups(model)
    assert list(group) == ["params"]
    assert all(map(torch.equal, group["params"], model.parameters()))
    assert step_sizes(model) == []


def test_no_value_is_read_in_an_iteration():
    model = tiny_quantized()
    optimizer = SAM(sgd(model), model=model)
    take_step(model, optimizer, batches()[0])
    with NoValueIsRead():
        take_step(model, optimizer, batches()[1])


def test_bfloat16_autocast_trains_every_step():
    model = tiny_quantized()
    optimizer, before = sgd(model), flat(step_sizes(model))
    with torch.autocast("cpu", torch.bfloat16):
        take_step(model, optimizer, batches()[0])
    assert (flat(step_sizes(model)) != before).all()


@pytest.mark.parametrize("name", others_slow(METHODS))
def test_resume_is_exact(name, tmp_path):
    def trainer():
        return tiny_trainer(name, model=tiny_quantized(dropout=0.5), clock=ticking())

    straight = trainer()
    metrics = train_to_end(straight)
    first = trainer()
    first.train_epoch()
    save_checkpoint(first.state_dict(), tmp_path / "checkpoint.pt")
    resumed = trainer()
    resumed.load_state_dict(load_checkpoint(tmp_path / "checkpoint.pt"))
    assert train_to_end(resumed) == metrics[1:]
    assert equal_state(resumed.state_dict(), straight.state_dict())
    assert len(check_integers(resumed.model)) == 3


def test_resume_into_a_network_that_is_not_calibrated_is_exact(tmp_path):
    ends = []
    for cut in (None, 7):
        model = tiny_quantized()
        optimizer = SAM(sgd(model), model=model)
        for i in range(20):
            if i == cut:
                save_checkpoint({"m": model.state_dict(), "o": optimizer.state_dict()}, tmp_path / "checkpoint.pt")
                state = load_checkpoint(tmp_path / "checkpoint.pt")
                model = tiny_quantized(calibrated=False)
                optimizer = SAM(sgd(model), model=model)
                model.load_state_dict(state["m"])
                optimizer.load_state_dict(state["o"])
            take_step(model, optimizer, batches()[i % 5])
        ends.append({"m": model.state_dict(), "o": optimizer.state_dict()})
    assert equal_state(*ends)
