"""Two workers by gloo: what they average, what each keeps to itself, and that they never part."""

import numpy as np
import pytest
import torch

from tests.reference import workers as reference
from tests.support import two_workers
from tests.support.sample_problems import ranges
from tests.support.two_workers import BASE, ITERATIONS, SCOPES, SELECTING, WHOLE, WRAPPERS

pytestmark = pytest.mark.slow  # two processes that import torch, and wait for each other


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    """Return what each of the two found: weights after each iteration, and which iterations were sampled."""
    return two_workers.run(tmp_path_factory.mktemp("workers"))


def assert_equal_up_to_rounding(found, expected):
    errors = np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert errors.max() <= 1e-12


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("name", WRAPPERS)
def test_workers_decide_alike_and_have_the_same_bits_after_every_iteration(workers, name, scope):
    (first, first_sampled), (second, second_sampled) = (found[f"{name} {scope}"] for found in workers)
    assert torch.equal(first, second)
    assert first_sampled == second_sampled


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_global_perturbation_is_that_of_one_worker_with_the_joint_batch(workers, name):
    expected, expected_sampled = two_workers.train(name, **WHOLE)
    found, sampled = workers[0][f"{name} whole" if name in SELECTING else f"{name} global"]
    assert sampled == expected_sampled
    assert_equal_up_to_rounding(found.numpy(), expected.numpy())


@pytest.mark.parametrize("name", ["vsam", "rst", "ae_sam"])
def test_among_the_decisions_are_both(workers, name):
    for scope in SCOPES:
        _, sampled = workers[0][f"{name} {scope}"]
        assert 0 < sum(sampled) < ITERATIONS


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize(("name", "swp_keep", "sds_keep"), [("sam", 1.0, 1.0), ("esam", 0.6, 0.5)])
def test_the_descent_is_along_the_average_of_the_workers_second_gradients(workers, name, scope, swp_keep, sds_keep):
    parameters = list(two_workers.network().parameters())
    draws = torch.Generator().manual_seed(0)
    active = [[True] * len(parameters)]
    active += [(torch.rand(len(parameters), generator=draws) < swp_keep).tolist() for _ in range(ITERATIONS - 1)]
    expected = reference.trajectory(
        torch.nn.utils.parameters_to_vector(parameters).detach().numpy(),
        two_workers.losses_at,
        two_workers.gradient_at,
        range(2),
        ranges(parameters),
        active,
        rho=0.1,
        beta=swp_keep,
        gamma=sds_keep,
        local=scope == "local",
        **BASE,
    )
    found, _ = workers[0][f"{name} {scope}"]
    assert_equal_up_to_rounding(found.numpy(), np.stack(expected[1:]))


def test_the_scopes_differ(workers):
    assert not torch.equal(workers[0]["sam local"][0], workers[0]["sam global"][0])
