"""The other implementations compute the same steps, with the expected number of gradient evaluations."""

from itertools import islice

import pytest
import torch

from benchmarks.contenders import contenders
from benchmarks.rounds import random_batches
from benchmarks.session import network

CONTENDERS = contenders(interval=3)
BATCHES = list(islice(random_batches(4, device=torch.device("cpu"), seed=0), 7))


def trained(key):
    """Return a network after some iterations, and the record of each iteration."""
    model = network("resnet8")
    take = CONTENDERS[key].start(model)
    return model, [take(batch) for batch in BATCHES]


@pytest.mark.parametrize(
    ("key", "evaluations"),
    [
        ("peer_sam", [2] * 7),
        ("peer_asam", [2] * 7),
        ("peer_gsam", [2] * 7),
        ("peer_fsam", [2] * 7),
        ("peer_looksam", [2, 1, 1, 1, 1, 2, 1]),
        ("peer_looksam_step", [2] * 7),  # whether it refreshes or not
        ("looksam", [2, 1, 1, 1, 1, 2, 1]),
        ("sgd", [1] * 7),
        ("forward", [0] * 7),
    ],
)
def test_gradient_evaluations_are_counted(key, evaluations):
    assert [taken.evaluations for taken in trained(key)[1]] == evaluations


def test_looksam_and_its_peers_sample_the_same_iterations():
    kinds = {
        key: [taken.sampled for taken in trained(key)[1]] for key in ("looksam", "peer_looksam", "peer_looksam_step")
    }
    assert set(map(tuple, kinds.values())) == {(True, False, False, False, False, True, False)}


@pytest.mark.parametrize("key", ["sam", "looksam"])
def test_the_first_iteration_is_the_peers_up_to_rounding(key):
    (ours, _), (theirs, _) = (first_iteration(name) for name in (key, CONTENDERS[key].peer))
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-6)


def first_iteration(key):
    model = network("resnet8")
    return model, CONTENDERS[key].start(model)(BATCHES[0])


def test_every_peer_is_a_contender():
    peers = {contender.peer for contender in CONTENDERS.values() if contender.peer}
    assert peers <= CONTENDERS.keys()


def test_vsam_never_adapts_its_rate():
    model = network("resnet8")
    take = contenders(interval=2)["vsam"].start(model)
    assert {take(batch).evaluations for batch in BATCHES} == {1.0, 2.0}
