"""KL(old || new) of tempered softmaxes: its value, its gradient, and what it does not depend on."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vsam_tune.loss_terms.divergence import divergence, divergence_factor

LOGITS = arrays(np.float64, (2, 3, 4), elements=st.floats(-20, 20)).map(torch.from_numpy)
TEMPERATURES = st.floats(0.5, 20)
# METHODS 10.2: one image, three classes, temperature 5
OLD, NEW = torch.tensor([[2.0, 0.0, -1.0]], dtype=torch.float64), torch.tensor([[0.5, 0.5, 0.0]], dtype=torch.float64)


def softmaxes(logits, temperature):
    rows = []
    for row in logits.tolist():
        exponentials = [math.exp(z / temperature) for z in row]
        rows.append([each / sum(exponentials) for each in exponentials])
    return rows


@given(LOGITS, TEMPERATURES)
def test_it_is_the_sum_that_defines_it(logits, temperature):
    old, new = logits
    expected = [
        sum(q * math.log(q / p) for q, p in zip(of_old, of_new, strict=True))
        for of_old, of_new in zip(softmaxes(old, temperature), softmaxes(new, temperature), strict=True)
    ]
    assert divergence(old, new, temperature).tolist() == pytest.approx(expected, rel=1e-9, abs=1e-13)


@given(LOGITS, TEMPERATURES)
def test_it_is_not_negative_and_0_between_equals(logits, temperature):
    old, new = logits
    assert (divergence(old, new, temperature) >= -1e-14).all()
    assert divergence(old, old, temperature).tolist() == [0.0] * 3


@given(LOGITS, TEMPERATURES, st.floats(-50, 50))
def test_a_constant_added_to_all_logits_of_an_image_changes_nothing(logits, temperature, constant):
    old, new = logits
    expected = divergence(old, new, temperature).tolist()
    assert divergence(old + constant, new, temperature).tolist() == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert divergence(old, new + constant, temperature).tolist() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(LOGITS, TEMPERATURES)
def test_its_gradient_is_p_minus_q_over_the_temperature_and_none_goes_to_the_old_logits(logits, temperature):
    old, new = (each.clone().requires_grad_(True) for each in logits)
    divergence(old, new, temperature).sum().backward()
    expected = np.array(softmaxes(new, temperature)) - np.array(softmaxes(old, temperature))
    assert new.grad.numpy() == pytest.approx(expected / temperature, rel=1e-9, abs=1e-13)
    assert old.grad is None


def test_the_worked_number():
    new = NEW.clone().requires_grad_(True)
    found = divergence(OLD, new, 5.0)
    assert found.item() == pytest.approx(0.02478120169554096, rel=1e-12)
    term = divergence_factor(weight=0.3, temperature=5.0, temperature_squared=True) * found.mean()
    term.backward()
    assert term.item() == pytest.approx(0.1858590127165572, rel=1e-12)
    assert new.grad[0].tolist() == pytest.approx([-0.1595600403, 0.0632838472, 0.0962761931], rel=1e-8)


def test_without_the_squared_temperature_the_factor_is_the_weight():
    assert divergence_factor(weight=0.3, temperature=5.0, temperature_squared=False) == 0.3


@pytest.mark.parametrize("size", [1e2, 1e4])
def test_large_logits_give_no_infinity(size):
    """The logarithm of a softmax that has become 0 would."""
    old, new = torch.tensor([[size, 0.0, -size]]), torch.tensor([[-size, 0.0, size]], requires_grad=True)
    found = divergence(old, new, 1.0)
    found.sum().backward()
    assert found.item() == pytest.approx(2 * size, rel=1e-6)
    assert new.grad.isfinite().all()


@pytest.mark.parametrize("old", [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("new", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_it_is_taken_in_float32_at_least(old, new):
    found = divergence(OLD.to(old), NEW.to(new), 5.0)
    assert found.dtype == (torch.float64 if new == torch.float64 else torch.float32)
    assert found.item() == pytest.approx(0.02478120169554096, rel=1e-6)  # these logits are exact in all of them
