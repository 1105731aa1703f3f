"""SAF against its equations, and what its memory holds."""

import numpy as np
import pytest
import torch

from tests.reference import saf as reference
from tests.support.softmax_regression import BASE, NUM_CLASSES, NUM_IMAGES, Regression, epochs, relative_error
from tests.support.tiny_trial import TinyTrial, equal_state, tiny_network
from vsam_tune.data.loader import Batch
from vsam_tune.loss_terms import SAF
from vsam_tune.optimizers.plain import PlainOptimizer
from vsam_tune.training.closures import Closures

ORDERS = epochs(19, drop_every=4)  # 52 iterations; some images are now and then without an output


def regression(*, normalised=True, **settings):
    return Regression(lambda **offered: SAF(**settings, **offered), normalised=normalised)


@pytest.mark.parametrize("store", ["device", "host"])
@pytest.mark.parametrize("squared", [True, False])
@pytest.mark.parametrize(("lag", "start", "tau"), [(1, -1, 1.0), (2, 3, 5.0), (3, 0, 2.0)])
def test_follows_the_reference(lag, start, tau, squared, store):
    problem = regression(
        weight=0.3, temperature=tau, lag_epochs=lag, start_epoch=start, temperature_squared=squared, store=store
    )
    settings = {"weight": 0.3, "tau": tau, "E": lag, "E_start": start, "squared": squared}
    expected, terms = reference.trajectory(
        problem.weights, problem.images, problem.labels, ORDERS, num_classes=NUM_CLASSES, **settings, **BASE
    )
    for t, (epoch, batch) in enumerate((epoch, batch) for epoch, batches in enumerate(ORDERS) for batch in batches):
        _, term = problem.step(batch, epoch)
        assert (term is None) == (terms[t] is None), t
        assert term is None or term.item() == pytest.approx(terms[t], rel=1e-9, abs=1e-14)
        error = relative_error(problem.weights, expected[t + 1])
        assert error <= (1e-12 if t < 5 else 1e-10), f"iteration {t}: relative error {error}"


def test_the_worked_number():
    """METHODS 10.2: one image whose logits were (2, 0, -1) and are (0.5, 0.5, 0)."""
    like = torch.nn.Linear(1, 3).double()
    term = SAF(weight=0.3, lag_epochs=1, start_epoch=0, num_images=1, num_classes=3, model=like)
    old, new = torch.tensor([[[2.0, 0.0, -1.0]], [[0.5, 0.5, 0.0]]], dtype=torch.float64)
    image = torch.zeros(1, dtype=torch.int64)
    assert term(old, None, image, epoch=0) is None
    term.after_step()
    new.requires_grad_(True)
    penalty = term(new, None, image, epoch=1)
    penalty.backward()
    assert penalty.item() == pytest.approx(0.1858590127165572, rel=1e-12)
    assert new.grad[0].tolist() == pytest.approx([-0.1595600403, 0.0632838472, 0.0962761931], rel=1e-8)


def test_the_gradient_is_weight_times_temperature_over_b_times_p_minus_q():
    like = torch.nn.Linear(1, 4).double()
    term = SAF(weight=0.7, temperature=3.0, lag_epochs=1, start_epoch=0, num_images=5, num_classes=4, model=like)
    old, new = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    index = torch.tensor([3, 0, 4, 1, 2])
    term(old, None, index, epoch=0)
    term.after_step()
    new.requires_grad_(True)
    term(new, None, index, epoch=1).backward()
    expected = (0.7 * 3.0 / 5) * ((new / 3).softmax(1) - (old / 3).softmax(1))
    assert new.grad.numpy() == pytest.approx(expected.detach().numpy(), rel=1e-12)


def test_outputs_that_did_not_change_give_no_term_and_no_gradient():
    problem = regression(lag_epochs=2, start_epoch=-1)
    logits = torch.randn(5, NUM_CLASSES, dtype=torch.float64, requires_grad=True)
    for epoch in range(4):
        penalty = problem.loss_term(logits, None, torch.arange(5), epoch=epoch)
        problem.loss_term.after_step()
    penalty.backward()
    assert penalty.item() == 0.0
    assert logits.grad.abs().max() < 1e-15


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weight_zero_is_sgd_bit_for_bit(dtype):
    found, plain = TinyTrial("saf", dtype=dtype, weight=0.0), TinyTrial("sgd", dtype=dtype)
    assert found.train(30) == plain.train(30)
    assert torch.equal(found.weights, plain.weights)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("lag", "start", "first"), [(2, 3, 4), (2, 0, 2), (3, -1, 3)])  # epochs of 5 iterations
def test_up_to_its_start_it_is_sgd_bit_for_bit(lag, start, first, dtype):
    found, plain = TinyTrial("saf", dtype=dtype, lag_epochs=lag, start_epoch=start), TinyTrial("sgd", dtype=dtype)
    found.train(5 * first)
    plain.train(5 * first)
    assert torch.equal(found.weights, plain.weights)
    found.train(1)
    plain.train(1)
    assert not torch.equal(found.weights, plain.weights)


@pytest.mark.parametrize("store", ["device", "host"])
def test_the_memory_holds_the_outputs_of_the_last_epochs_whatever_their_order(store):
    problem = regression(lag_epochs=3, start_epoch=-1, store=store)
    for epoch, batches in enumerate(epochs(8)):
        seen = torch.empty(NUM_IMAGES, NUM_CLASSES, dtype=torch.float64)
        for batch in batches:
            seen[batch] = problem.step(batch, epoch)[0].detach()
        state = problem.loss_term.state_dict()
        assert torch.equal(state["outputs"][epoch % 3], seen)
        assert (state["epochs"][epoch % 3] == epoch).all()


def test_an_image_without_an_old_output_adds_nothing_and_the_divisor_stays():
    term = regression(weight=0.5, temperature=2.0, lag_epochs=1, start_epoch=0).loss_term
    old, new = torch.randn(2, 4, NUM_CLASSES, dtype=torch.float64)
    known, asked = torch.tensor([7, 2]), torch.tensor([7, 2, 11, 0])
    term(old[:2], None, known, epoch=0)
    term.after_step()
    new.requires_grad_(True)
    penalty = term(new, None, asked, epoch=1)
    penalty.backward()
    p, q = (new[:2] / 2).log_softmax(1), (old[:2] / 2).log_softmax(1)
    assert penalty.item() == pytest.approx((0.5 * 4 * (q.exp() * (q - p)).sum() / 4).item(), rel=1e-12)
    assert new.grad[2:].tolist() == [[0.0] * NUM_CLASSES] * 2


def test_an_output_of_another_age_is_none():
    """Two epochs pass without the image: what lies in its place is too old."""
    term = regression(lag_epochs=2, start_epoch=-1).loss_term
    logits, index = torch.randn(2, NUM_CLASSES, dtype=torch.float64), torch.tensor([1, 3])
    term(logits, None, index, epoch=0)
    term.after_step()
    assert term(logits + torch.eye(2, NUM_CLASSES), None, index, epoch=4).item() == 0.0
    assert term(logits + torch.eye(2, NUM_CLASSES), None, index, epoch=2).item() > 0.0


def test_an_iteration_that_fails_and_is_repeated_is_one_that_did_not_fail():
    straight, failing = (regression(normalised=False, lag_epochs=1, start_epoch=-1) for _ in range(2))
    orders = epochs(8)
    expected, found = straight.train(orders), []
    for epoch, batches in enumerate(orders):
        for batch in batches:
            for _ in range(2):
                failing.evaluate(batch, epoch)  # the step that should follow never comes
            failing.step(batch, epoch)
            found.append(failing.weights)
    assert np.array_equal(np.stack(found), expected)
    assert equal_state(failing.loss_term.state_dict(), straight.loss_term.state_dict())


@pytest.mark.parametrize("parts", [2, 4])
def test_a_batch_in_parts_has_the_gradient_and_the_memory_of_the_whole(parts):
    whole, split = (regression(normalised=False, lag_epochs=1, start_epoch=0) for _ in range(2))
    optimizers = [PlainOptimizer(problem.optimizer) for problem in (whole, split)]
    for epoch, batches in enumerate(epochs(5)):
        for batch in batches:
            for problem, optimizer, micro_batches in zip((whole, split), optimizers, (1, parts), strict=True):
                closures = Closures(
                    problem.network, optimizer, loss_term=problem.loss_term, micro_batches=micro_batches
                )
                index = torch.tensor(batch)
                x, y = torch.from_numpy(problem.images)[index], torch.tensor(problem.labels)[index]
                optimizer.step(closures.closure(Batch(x, y, index), epoch=epoch))
                problem.loss_term.after_step()
                problem.penalty = closures.penalty
            assert (whole.penalty is None) == (split.penalty is None) == (epoch == 0)
            assert epoch == 0 or split.penalty.item() == pytest.approx(whole.penalty.item(), rel=1e-10)
    assert relative_error(split.weights, whole.weights) < 1e-12
    outputs = [problem.loss_term.state_dict()["outputs"].numpy() for problem in (whole, split)]
    assert outputs[1] == pytest.approx(outputs[0], rel=1e-10)


@pytest.mark.parametrize(("dtype", "size"), [(torch.bfloat16, 4), (torch.float32, 4), (torch.float64, 8)])
def test_memory_is_that_of_the_outputs_and_their_epochs(dtype, size):
    term = SAF(lag_epochs=2, num_images=50, num_classes=7, model=torch.nn.Linear(1, 7).to(dtype))
    assert term.memory_bytes == size * 50 * 7 * 2 + 4 * 50 * 2


@pytest.mark.parametrize("changed", ["num_images", "num_classes", "lag_epochs"])
def test_a_memory_of_another_size_is_refused(changed):
    sizes = {"num_images": 5, "num_classes": 4, "lag_epochs": 3}
    like = torch.nn.Linear(1, 4)
    state = SAF(**{**sizes, changed: 1}, model=like).state_dict()
    with pytest.raises(ValueError, match=r"the value of outputs is .*, but must be of shape \(3, 5, 4\)"):
        SAF(**sizes, model=like).load_state_dict(state)


def test_iterations_run_on_a_device_that_has_no_values():
    """On torch's meta device any read of a value is an error, a copy to the host included."""
    network = tiny_network().to("meta")
    term = SAF(lag_epochs=2, start_epoch=0, num_images=40, num_classes=5, model=network)
    for epoch in range(6):
        logits = network(torch.empty(8, 1, 6, 6, device="meta"))
        penalty = term(logits, None, torch.empty(8, dtype=torch.int64, device="meta"), epoch=epoch)
        assert (penalty is None) == (epoch < 2)
        term.after_step()


def test_a_device_that_cannot_use_the_hosts_memory_is_an_error():
    with pytest.raises(ValueError, match="a device of type meta cannot use the host's memory"):
        SAF(store="host", num_images=40, num_classes=5, model=tiny_network().to("meta"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_a_gpu_both_stores_give_the_same_bits_and_neither_synchronises():
    draws = torch.Generator().manual_seed(0)
    batches = [(torch.randperm(64, generator=draws)[:16], torch.randn(16, 100, generator=draws)) for _ in range(30)]
    penalties = {}
    for store in ("device", "host"):
        before = torch.cuda.memory_allocated()
        term = SAF(
            lag_epochs=1,
            start_epoch=0,
            store=store,
            num_images=64_000,
            num_classes=100,
            model=torch.nn.Linear(1, 1).cuda(),
        )
        assert (torch.cuda.memory_allocated() - before > 4 * 6_400_000) == (store == "device")
        given = [(index.cuda(), logits.cuda()) for index, logits in batches]
        torch.cuda.set_sync_debug_mode("error")
        try:
            found = []
            for epoch, (index, logits) in enumerate(given):
                found.append(term(logits, None, index, epoch=epoch))
                term.after_step()
        finally:
            torch.cuda.set_sync_debug_mode("default")
        penalties[store] = [penalty.item() for penalty in found[1:]]
        restored = SAF(
            lag_epochs=1, store=store, num_images=64_000, num_classes=100, model=torch.nn.Linear(1, 1).cuda()
        )
        restored.load_state_dict({key: value.cpu() for key, value in term.state_dict().items()})
        assert equal_state(restored.state_dict(), term.state_dict())
    assert penalties["device"] == penalties["host"]
    assert any(penalties["device"])
