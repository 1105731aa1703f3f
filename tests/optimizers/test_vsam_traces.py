"""vSAM against recordings of its authors' program (tests/optimizers/traces)."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from vsam_tune.optimizers import VSAM

TRACES = Path(__file__).parent / "traces"
INTEGERS = ("num_slices", "warmup_iterations", "interval", "max_age", "norm_tensors")
NUMBERS = ("rho", "beta", "kappa", "max_rate")


def tanh_network(weights):
    sizes = [12, 16, 16, 4]
    layers = []
    for inputs, outputs in pairwise(sizes):
        layers += [torch.nn.Linear(inputs, outputs, dtype=torch.float64), torch.nn.Tanh()]
    network = torch.nn.Sequential(*layers[:-1])
    torch.nn.utils.vector_to_parameters(torch.from_numpy(weights), network.parameters())
    return network


@pytest.mark.parametrize("name", ["trace_a", "trace_b", "trace_c"])
def test_decides_and_trains_as_the_authors_program_did(name):
    trace = np.load(TRACES / f"{name}.npz")
    x, y = torch.from_numpy(trace["x"]), torch.from_numpy(trace["y"])
    network = tanh_network(trace["initial"])
    settings = {key: float(trace[key]) for key in NUMBERS} | {key: int(trace[key]) for key in INTEGERS}
    base = {key: float(trace[key]) for key in ("lr", "momentum", "weight_decay")}
    optimizer = VSAM(
        torch.optim.SGD(network.parameters(), **base), model=network, uniform=lambda t: trace["uniform"][t], **settings
    )
    sampled, expected, l2_psf, l2_sgd, weights = [], [], [], [], {}
    for t, batch in enumerate(torch.from_numpy(trace["batches"])):

        def closure(batch=batch):
            optimizer.zero_grad()
            loss = cross_entropy(network(x[batch]), y[batch])
            loss.backward()
            return loss

        optimizer.step(closure)
        seen = optimizer.observation
        sampled.append(seen.sampled)
        expected.append(seen.expected)
        if seen.sampled:
            l2_psf.append(seen.l2_psf.item())
            l2_sgd.append(seen.l2_sgd.item())
        weights[t] = torch.nn.utils.parameters_to_vector(network.parameters()).detach().numpy().copy()
    assert sampled == trace["sampled"].tolist()
    assert 0 < sum(sampled[settings["warmup_iterations"] :]) < len(sampled) - settings["warmup_iterations"]
    np.testing.assert_allclose(expected, trace["expected"], rtol=1e-9)
    np.testing.assert_allclose(l2_psf, trace["l2_psf"][trace["sampled"]], rtol=1e-9)
    np.testing.assert_allclose(l2_sgd, trace["l2_sgd"][trace["sampled"]], rtol=1e-9)
    for t, recorded in zip(trace["weights_at"], trace["weights"], strict=True):
        np.testing.assert_allclose(weights[int(t)], recorded, rtol=0, atol=1e-9)
    np.testing.assert_allclose(weights[len(sampled) - 1], trace["final"], rtol=0, atol=1e-9)
