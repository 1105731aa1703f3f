"""MESA against its equations, and what its average of the model is and leaves alone."""

import copy

import pytest
import torch

from tests.reference import mesa as reference
from tests.support.softmax_regression import BASE, NUM_CLASSES, Regression, epochs, relative_error, weights_of
from tests.support.tiny_trial import TinyTrial, equal_state, tiny_network
from vsam_tune.data.loader import Batch
from vsam_tune.loss_terms import MESA
from vsam_tune.optimizers.plain import PlainOptimizer
from vsam_tune.training.closures import Closures

ORDERS = epochs(17)  # 51 iterations


def regression(*, normalised=True, **settings):
    return Regression(
        lambda *, num_images, num_classes, model: MESA(**settings, model=model),  # noqa: ARG005
        normalised=normalised,
    )


def state_of(network):
    return {key: value.clone() for key, value in network.state_dict().items()}


@pytest.mark.parametrize("squared", [True, False])
@pytest.mark.parametrize(("decay", "start", "tau"), [(0.9, -1, 1.0), (0.99, 3, 5.0), (0.0, 0, 2.0)])
def test_follows_the_reference(decay, start, tau, squared):
    problem = regression(weight=0.8, temperature=tau, ema_decay=decay, start_epoch=start, temperature_squared=squared)
    settings = {"weight": 0.8, "tau": tau, "beta_ema": decay, "E_start": start, "squared": squared}
    ws, vs, terms = reference.trajectory(
        problem.weights, problem.images, problem.labels, ORDERS, num_classes=NUM_CLASSES, **settings, **BASE
    )
    for t, (epoch, batch) in enumerate((epoch, batch) for epoch, batches in enumerate(ORDERS) for batch in batches):
        _, term = problem.step(batch, epoch)
        assert (term is None) == (terms[t] is None), t
        assert term is None or term.item() == pytest.approx(terms[t], rel=1e-9, abs=1e-14)
        averaged = weights_of(problem.loss_term.averaged_model)
        error = max(relative_error(problem.weights, ws[t + 1]), relative_error(averaged, vs[t + 1]))
        assert error <= (1e-12 if t < 5 else 1e-10), f"iteration {t}: relative error {error}"


def test_the_worked_number():
    """METHODS 10.2: one image whose averaged logits are (2, 0, -1), and whose logits are (0.5, 0.5, 0)."""
    model = torch.nn.Linear(1, 3).double()
    with torch.no_grad():
        model.weight.zero_()
        model.bias.copy_(torch.tensor([2.0, 0.0, -1.0]))
    term = MESA(weight=0.3, start_epoch=-1, model=model)
    new = torch.tensor([[0.5, 0.5, 0.0]], dtype=torch.float64, requires_grad=True)
    penalty = term(new, torch.zeros(1, 1, dtype=torch.float64), None, epoch=0)
    penalty.backward()
    assert penalty.item() == pytest.approx(0.1858590127165572, rel=1e-12)
    assert new.grad[0].tolist() == pytest.approx([-0.1595600403, 0.0632838472, 0.0962761931], rel=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weight_zero_is_sgd_bit_for_bit_and_keeps_the_average(dtype):
    found, plain = TinyTrial("mesa", dtype=dtype, weight=0.0), TinyTrial("sgd", dtype=dtype)
    assert found.train(30) == plain.train(30)
    assert equal_state(found.network.state_dict(), plain.network.state_dict())
    assert found.loss_term.forward_passes == 0
    assert not equal_state(found.loss_term.averaged_model.state_dict(), tiny_network().to(dtype).state_dict())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("start", [-1, 0, 3])
def test_up_to_its_start_it_is_sgd_bit_for_bit(start, dtype):
    found, plain = TinyTrial("mesa", dtype=dtype, start_epoch=start), TinyTrial("sgd", dtype=dtype)
    iterations = 5 * (start + 1)
    found.train(iterations)
    plain.train(iterations)
    assert torch.equal(found.weights, plain.weights)
    assert found.loss_term.forward_passes == 0
    found.train(2)  # in the very first iteration the two networks differ by their statistics alone
    plain.train(2)
    assert not torch.equal(found.weights, plain.weights)
    assert found.loss_term.forward_passes == 2


def test_a_decay_of_0_is_the_model_after_each_step():
    trial = TinyTrial("mesa", ema_decay=0.0)
    for _ in range(12):
        trial.step()
        assert equal_state(trial.loss_term.averaged_model.state_dict(), trial.network.state_dict())


def test_a_decay_of_1_is_the_initial_model_but_for_its_counts():
    trial = TinyTrial("mesa", ema_decay=1.0)
    initial = state_of(trial.network)
    trial.train(12)
    for key, value in trial.loss_term.averaged_model.state_dict().items():
        counted = not value.is_floating_point()
        assert torch.equal(value, trial.network.state_dict()[key] if counted else initial[key])
    assert any(not value.is_floating_point() for value in initial.values())


def test_the_average_of_constant_weights_converges_geometrically():
    network = tiny_network().double()
    term = MESA(ema_decay=0.8, model=network)
    start = weights_of(network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    for iteration in range(1, 30):
        term.after_step()
        left = weights_of(network) - weights_of(term.averaged_model)
        assert left == pytest.approx(0.8**iteration, rel=1e-9)
    assert weights_of(network) == pytest.approx(start + 1)


def test_statistics_are_averaged_and_counts_are_copied():
    trial = TinyTrial("mesa", ema_decay=0.75)
    expected = state_of(trial.network)
    for _ in range(12):
        trial.step()
        for key, value in trial.network.state_dict().items():
            averaged = value.is_floating_point()
            expected[key] = 0.75 * expected[key] + 0.25 * value if averaged else value.clone()
    for key, value in trial.loss_term.averaged_model.state_dict().items():
        assert torch.allclose(value, expected[key], rtol=1e-5, atol=1e-7), key


def test_the_average_is_in_evaluation_mode_whatever_the_model_is_and_takes_no_gradient():
    trial = TinyTrial("mesa", start_epoch=-1, dropout=0.5)
    averaged = trial.loss_term.averaged_model
    for _ in range(3):
        trial.step()
        trial.network.eval()
        trial.network.train()
        assert not any(module.training for module in averaged.modules())
    assert all(module.training for module in trial.network.modules())
    assert not any(parameter.requires_grad for parameter in averaged.parameters())
    assert all(parameter.grad is None for parameter in averaged.parameters())


def test_a_pass_of_the_average_changes_neither_network_nor_random_state():
    trial = TinyTrial("mesa", start_epoch=-1, dropout=0.5)
    trial.train(3)
    logits = trial.network(trial.batches[0][0])
    averaged = trial.loss_term.averaged_model
    before = copy.deepcopy((state_of(trial.network), state_of(averaged), torch.get_rng_state()))
    trial.loss_term(logits, trial.batches[0][0], None, epoch=7)
    assert equal_state((state_of(trial.network), state_of(averaged), torch.get_rng_state()), before)
    trial.loss_term.after_step()
    assert equal_state((state_of(trial.network), torch.get_rng_state()), (before[0], before[2]))


def test_the_average_before_the_step_is_what_outputs_are_compared_with():
    """With a decay of 0 the average is the weights of this very pass, so that nothing has moved."""
    problem = regression(normalised=False, ema_decay=0.0, start_epoch=-1)
    for epoch, batches in enumerate(epochs(3)):
        for batch in batches:
            _, term = problem.step(batch, epoch)
            assert term.item() == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_the_memory_format_is_kept(layout):
    network = tiny_network().to(memory_format=layout)
    term = MESA(start_epoch=-1, model=network)
    strides = [parameter.stride() for parameter in network.parameters()]
    term.after_step()
    term.load_state_dict(copy.deepcopy(term.state_dict()))
    assert [parameter.stride() for parameter in term.averaged_model.parameters()] == strides
    assert network[3].weight.is_contiguous(memory_format=layout)


def test_memory_is_that_of_one_model():
    network = tiny_network()
    statistics = 4 * 2 * (3 + 4) + 2 * 8  # means and variances of two batch norms, and their counts
    assert MESA(model=network).memory_bytes == 4 * 181 + statistics


def test_an_iteration_that_fails_and_is_repeated_is_one_that_did_not_fail():
    straight, failing = (regression(normalised=False, ema_decay=0.9, start_epoch=0) for _ in range(2))
    for epoch, batches in enumerate(epochs(5)):
        for batch in batches:
            straight.step(batch, epoch)
            failing.evaluate(batch, epoch)  # the step that should follow never comes
            failing.step(batch, epoch)
            assert (failing.weights == straight.weights).all()
    assert equal_state(failing.loss_term.state_dict(), straight.loss_term.state_dict())
    assert failing.loss_term.forward_passes == 12


def batch_of(problem, batch):
    index = torch.tensor(batch)
    return Batch(torch.from_numpy(problem.images)[index], torch.tensor(problem.labels)[index], index)


@pytest.mark.parametrize("parts", [2, 4])
def test_a_batch_in_parts_has_the_gradient_of_the_whole_and_counts_one_pass(parts):
    whole, split = (regression(normalised=False, ema_decay=0.9, start_epoch=0) for _ in range(2))
    optimizers = [PlainOptimizer(problem.optimizer) for problem in (whole, split)]
    for epoch, batches in enumerate(epochs(5)):
        for batch in batches:
            for problem, optimizer, micro_batches in zip((whole, split), optimizers, (1, parts), strict=True):
                closures = Closures(
                    problem.network, optimizer, loss_term=problem.loss_term, micro_batches=micro_batches
                )
                optimizer.step(closures.closure(batch_of(problem, batch), epoch=epoch))
                problem.loss_term.after_step()
    assert relative_error(split.weights, whole.weights) < 1e-12
    assert split.loss_term.forward_passes == whole.loss_term.forward_passes == 12


@pytest.mark.parametrize(("precision", "dtype"), [("bfloat16", torch.bfloat16), ("float32", torch.float32)])
def test_the_average_runs_in_the_precision_of_the_training_and_the_term_in_float32(precision, dtype):
    network, seen = tiny_network(), []
    optimizer = PlainOptimizer(torch.optim.SGD(network.parameters(), lr=0.1))
    term = MESA(start_epoch=-1, model=network)
    term.averaged_model.register_forward_hook(lambda *passed: seen.append(passed[2].dtype))
    closures = Closures(network, optimizer, loss_term=term, precision=precision)
    images, labels, index = torch.randn(8, 1, 6, 6), torch.zeros(8, dtype=torch.int64), torch.arange(8)
    optimizer.step(closures.closure(Batch(images, labels, index), epoch=0))
    assert seen == [dtype]
    assert closures.penalty.dtype == torch.float32


def test_iterations_run_on_a_device_that_has_no_values():
    """On torch's meta device any read of a value is an error, a copy to the host included."""
    network = tiny_network().to("meta")
    term = MESA(start_epoch=0, model=network)
    for epoch in range(4):
        images = torch.empty(8, 1, 6, 6, device="meta")
        penalty = term(network(images), images, None, epoch=epoch)
        assert (penalty is None) == (epoch == 0)
        term.after_step()
    assert term.forward_passes == 3
