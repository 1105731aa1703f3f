"""e = rho * g / ||g||: its length, its degenerate cases, its precision."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vsam_tune.optimizers.perturbation import copies, copy_, global_norm, perturb_, perturbation_scale

gradients = st.lists(
    st.lists(st.floats(-1e3, 1e3, allow_subnormal=False), min_size=1, max_size=5), min_size=1, max_size=4
)


def tensors(lists, dtype=torch.float64):
    return [torch.tensor(values, dtype=dtype) for values in lists]


@given(gradients)
def test_the_norm_is_over_all_tensors_together(lists):
    expected = math.sqrt(math.fsum(value * value for values in lists for value in values))
    assert global_norm(tensors(lists)).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        ([torch.bfloat16], torch.float32),
        ([torch.float16, torch.float32], torch.float32),
        ([torch.float32, torch.float64], torch.float64),
    ],
)
def test_the_norm_is_taken_in_float32_at_least(dtypes, expected):
    norm = global_norm([torch.full((1000,), 0.01, dtype=dtype) for dtype in dtypes])
    assert norm.dtype == expected
    assert norm.item() == pytest.approx(0.01 * math.sqrt(1000 * len(dtypes)), rel=2e-3)


def test_the_norm_of_float16_does_not_overflow():
    assert global_norm([torch.full((4,), 6e4, dtype=torch.float16)]).item() == pytest.approx(1.2e5, rel=1e-3)


@given(gradients, st.floats(1e-3, 10))
def test_the_perturbation_has_length_rho_and_the_direction_of_the_gradient(lists, rho):
    given_gradients = tensors(lists)
    norm = global_norm(given_gradients)
    weights = [torch.zeros_like(gradient) for gradient in given_gradients]
    perturb_(weights, copies(given_gradients), norm, rho)
    assert global_norm(weights).item() <= rho * (1 + 1e-9)
    if norm > 1e-9:  # far from 1e-12, which is added to the norm
        assert global_norm(weights).item() == pytest.approx(rho, rel=2e-3)
        for weight, gradient in zip(weights, given_gradients, strict=True):
            assert torch.allclose(weight * norm, rho * gradient, rtol=2e-3)


@pytest.mark.parametrize("norm", [math.inf, math.nan])
def test_a_norm_that_is_not_finite_scales_by_zero(norm):
    assert perturbation_scale(torch.tensor(norm), 0.05).item() == 0.0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("spoiled", [math.inf, -math.inf, math.nan])
def test_a_gradient_that_is_not_finite_leaves_every_weight(spoiled, dtype):
    weights = tensors([[1.0, -2.0, 3.0], [4.0]], dtype)
    before = copies(weights)
    spoiled_gradients = tensors([[1.0, spoiled, 3.0], [4.0]], dtype)
    perturb_(weights, spoiled_gradients, global_norm(spoiled_gradients), 0.05)
    assert all(map(torch.equal, weights, before))


def test_a_norm_that_overflows_leaves_every_weight():
    weights, huge = [torch.ones(3)], [torch.full((3,), 3e38)]
    perturb_(weights, huge, global_norm(huge), 0.05)
    assert torch.equal(weights[0], torch.ones(3))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_weights_come_back_bit_for_bit(dtype):
    draws = torch.Generator().manual_seed(0)
    weights = [torch.randn(1000, generator=draws).to(dtype)]
    gradients = [torch.randn(1000, generator=draws).to(dtype)]
    saved = copies(weights)
    original, pointer = weights[0].clone(), weights[0].data_ptr()
    perturb_(weights, gradients, global_norm(gradients), 0.05)
    e = gradients[0]
    assert not torch.equal(weights[0] - e, original)  # so that subtracting it is not enough
    copy_(weights, saved)
    assert torch.equal(weights[0], original)
    assert weights[0].data_ptr() == pointer


def test_nothing_is_copied_from_nothing():
    assert copies([]) == []
    copy_([], [])
