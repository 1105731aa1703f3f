"""The quantizer of LSQ against its equations: METHODS 4.1, 4.5, 10.2."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tests.reference import lsq as reference
from tests.support.value_reads import NoValueIsRead
from vsam_tune.quantization.lsq import initial_step, integer_range, quantize

V = (-0.9, -0.3, 0.05, 0.26, 0.4, 1.2)  # of the worked numbers: METHODS 10.2

values = arrays(np.float64, array_shapes(max_dims=3, max_side=5), elements=st.floats(-4, 4, allow_subnormal=False))
steps = st.floats(1e-3, 2.0)
ranges = st.builds(lambda bits, signed: integer_range(bits, signed=signed), st.integers(2, 8), st.booleans())


def quantized(v, s, low=-8, high=7, *, num_values=None, upstream=1.0, dtype=torch.float64):
    """Return (v_hat, gradient of v, gradient of s)."""
    v = torch.as_tensor(v, dtype=dtype).detach().clone().requires_grad_()
    s = torch.as_tensor(s, dtype=torch.promote_types(dtype, torch.float32)).detach().clone().requires_grad_()
    v_hat = quantize(v, s, low=low, high=high, num_values=v.numel() if num_values is None else num_values)
    v_hat.backward(torch.as_tensor(upstream, dtype=dtype).expand_as(v_hat))
    return v_hat.detach(), v.grad, s.grad


def test_worked_numbers():
    v_hat, v_gradient, s_gradient = quantized(V, 0.1)
    assert (v_hat / 0.1).tolist() == pytest.approx([-8, -3, 0, 3, 4, 7], rel=1e-15)
    assert v_gradient.tolist() == [0, 1, 1, 1, 1, 0]
    assert s_gradient.item() == pytest.approx(-1.1 / math.sqrt(42), rel=1e-12)
    assert s_gradient.item() == pytest.approx(-0.169734, abs=5e-7)
    assert initial_step(torch.tensor(V, dtype=torch.float64), 7).item() == pytest.approx(0.391823, abs=5e-7)


@pytest.mark.parametrize(("v", "term"), [*zip(V, (-8, 0, -0.5, 0.4, 0, 7), strict=True)])
def test_worked_numbers_of_the_step_one_by_one(v, term):
    _, _, s_gradient = quantized([v], 0.1)
    assert s_gradient.item() == pytest.approx(term / math.sqrt(7), rel=1e-12, abs=1e-15)


def test_ranges():
    assert integer_range(4, signed=True) == (-8, 7)
    assert integer_range(4, signed=False) == (0, 15)
    assert integer_range(8, signed=True) == (-128, 127)
    assert integer_range(2, signed=False) == (0, 3)


@given(values, steps, ranges, st.integers(0, 2**32 - 1))
def test_follows_the_reference(v, s, bounds, seed):
    upstream = np.random.default_rng(seed).normal(size=v.shape)
    v_hat, v_gradient, s_gradient = quantized(v, s, *bounds, num_values=v.size, upstream=upstream)
    expected = reference.gradients(v, s, *bounds, upstream, v.size)
    assert np.array_equal(v_hat.numpy(), reference.quantize(v, s, *bounds)[1])
    assert np.array_equal(v_gradient.numpy(), expected[0])
    terms = np.abs(upstream).sum() * max(map(abs, bounds)) / math.sqrt(v.size * bounds[1])
    assert s_gradient.item() == pytest.approx(expected[1], rel=1e-12, abs=1e-14 * terms)


@given(values, st.integers(1, 65535))
def test_the_initial_step_follows_the_reference(v, high):
    assert initial_step(torch.from_numpy(v), high).item() == pytest.approx(reference.initial_step(v, high), rel=1e-12)


def test_zeros_start_with_a_step_of_one():
    assert initial_step(torch.zeros(3, 2), 7).item() == 1.0


@given(values, steps, ranges)
def test_the_value_is_an_integer_in_range_times_the_step(v, s, bounds):
    for dtype in (torch.float32, torch.float64):
        step = torch.tensor(s, dtype=dtype)
        v_hat, _, _ = quantized(v, step, *bounds, dtype=dtype)
        integers = (v_hat / step).round()
        assert torch.equal(integers * step, v_hat)
        assert bounds[0] <= integers.min() <= integers.max() <= bounds[1]


@given(values, steps, ranges)
def test_quantizing_twice_is_quantizing_once(v, s, bounds):
    for dtype in (torch.float32, torch.float64):
        once, _, _ = quantized(v, s, *bounds, dtype=dtype)
        assert torch.equal(quantized(once, s, *bounds, dtype=dtype)[0], once)


@given(values, steps, ranges, st.integers(-10, 20))
def test_scaling_values_and_step_scales_the_result(v, s, bounds, exponent):
    c = 2.0**exponent  # a power of 2, which rounds nothing
    v_hat, v_gradient, s_gradient = quantized(v, s, *bounds)
    scaled, scaled_v_gradient, scaled_s_gradient = quantized(c * v, c * s, *bounds)
    assert torch.equal(scaled, c * v_hat)
    assert torch.equal(scaled_v_gradient, v_gradient)
    assert torch.equal(scaled_s_gradient, s_gradient)


@pytest.mark.parametrize("num_values", [1, 6, 1000])
def test_the_raw_gradient_of_the_step_is_scaled(num_values):
    _, _, s_gradient = quantized(V, 0.1, num_values=num_values)
    assert s_gradient.item() == pytest.approx(-1.1 / math.sqrt(num_values * 7), rel=1e-12)


@pytest.mark.parametrize(
    ("v", "v_gradient", "term"),
    [(-8.0, 0, -8), (7.0, 0, 7), (-7.75, 1, -0.25), (6.75, 1, 0.25), (0.5, 1, -0.5), (1.5, 1, 0.5), (0.0, 1, 0)],
)
def test_at_the_ends_of_the_range_and_halfway(v, v_gradient, term):
    """The ends count as outside; halves are rounded to even."""
    _, found, s_gradient = quantized([v], 1.0)
    assert found.item() == v_gradient
    assert s_gradient.item() == pytest.approx(term / math.sqrt(7), rel=1e-14, abs=0)


@pytest.mark.parametrize("step", [-0.3, 0.0, 1e-12])
def test_a_step_that_is_not_positive_counts_as_the_smallest_and_can_recover(step):
    v_hat, _, s_gradient = quantized(V, step)
    assert torch.equal(v_hat, quantized(V, 1e-8)[0])
    assert s_gradient.item() == quantized(V, 1e-8)[2].item() != 0


def test_values_that_are_not_finite():
    v_hat, v_gradient, s_gradient = quantized([math.inf, -math.inf, 0.26], 0.1)
    assert v_hat.tolist() == pytest.approx([0.7, -0.8, 0.3])
    assert v_gradient.tolist() == [0, 0, 1]
    assert s_gradient.item() == pytest.approx(-0.6 / math.sqrt(21), rel=1e-12)
    assert quantized([math.nan], 0.1)[0].isnan().all()


def test_an_infinite_gradient_stays_where_it_is():
    _, v_gradient, _ = quantized(V, 0.1, upstream=[math.inf, 1, 1, 1, 1, -math.inf])
    assert v_gradient.tolist() == [0, 1, 1, 1, 1, 0]


def test_bfloat16_values_are_rounded_in_the_precision_of_the_step():
    v = torch.tensor([50.75, 3.0], dtype=torch.bfloat16)  # 101.3 and 6.0 steps; 101.5, then 102, in bfloat16
    v_hat, v_gradient, s_gradient = quantized(v, 0.501, 0, 255, dtype=torch.bfloat16)
    assert (v_hat.dtype, v_gradient.dtype, s_gradient.dtype) == (torch.bfloat16, torch.bfloat16, torch.float32)
    exact, _, exact_gradient = quantized(v, 0.501, 0, 255, dtype=torch.float32)
    assert torch.equal(v_hat, exact.bfloat16())
    assert exact[0].item() == pytest.approx(101 * 0.501)
    assert torch.equal(s_gradient, exact_gradient)


def test_the_memory_format_stays():
    v = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)).contiguous(
        memory_format=torch.channels_last
    )
    v_hat, v_gradient, _ = quantized(v, 0.1, dtype=torch.float32)
    assert v_hat.is_contiguous(memory_format=torch.channels_last)
    assert v_gradient.is_contiguous(memory_format=torch.channels_last)


def test_the_values_themselves_are_not_touched():
    v = torch.tensor(V)
    quantize(v, torch.tensor(0.1), low=-8, high=7, num_values=6)
    assert torch.equal(v, torch.tensor(V))


def test_an_input_without_gradient_costs_none():
    step = torch.tensor(0.1, requires_grad=True)
    v = torch.tensor(V)
    quantize(v, step, low=-8, high=7, num_values=6).sum().backward()
    assert v.grad is None
    assert step.grad is not None


def test_no_value_is_read():
    with NoValueIsRead():
        quantized(V, torch.tensor(0.1, dtype=torch.float64))


def test_it_cannot_be_differentiated_twice():
    v = torch.tensor(V, requires_grad=True)
    v_hat = quantize(v, torch.tensor(0.1), low=-8, high=7, num_values=6)
    (gradient,) = torch.autograd.grad((v_hat * v).sum(), v, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
