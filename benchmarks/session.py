"""The measurements of one call: the missing peaks and rounds of a recording."""

from collections.abc import Mapping
from itertools import islice

import numpy as np
import torch
from torch import nn

from benchmarks.contenders import Contender
from benchmarks.machine import describe, disturbance
from benchmarks.method_iterations import NUM_CLASSES
from benchmarks.peak_memory import peak_bytes
from benchmarks.recording import Recording
from benchmarks.rounds import Entrant, random_batches, timed, timed_rounds, warm_up
from vsam_tune.machine.contention import Contention
from vsam_tune.models.build import build_model

MEMORY_BATCH = 32  # images: enough for a peak within a pass, as in training
MEMORY_ITERATIONS = 12  # at least two sampled iterations of each sampling method


def network(name: str) -> nn.Module:
    """Return a network for CIFAR-10's images, in training mode."""
    return build_model(name, in_channels=3, image_size=32, num_classes=NUM_CLASSES, seed=0)


def record_peaks(recording: Recording, chosen: Mapping[str, Contender], *, model: str, device: torch.device) -> None:
    """Record the missing peak memory of each contender, except for bare passes."""
    peaks = recording.content["peak_bytes"]
    for key, contender in chosen.items():
        if contender.ideal is not None and key not in peaks:
            peaks[key] = _peak(contender, _placed(contender, model, device), device)
            recording.save()


def _peak(contender: Contender, placed: nn.Module, device: torch.device) -> int:
    batches = random_batches(MEMORY_BATCH, device=device, seed=0)

    def run() -> None:
        entrant = Entrant(take=contender.start(placed), memory_format=contender.memory_format)
        for batch in islice(batches, MEMORY_ITERATIONS):
            timed(entrant, batch)

    return peak_bytes(run, device)


def record_rounds(
    recording: Recording,
    chosen: Mapping[str, Contender],
    *,
    model: str,
    batch_size: int,
    device: torch.device,
    num_rounds: int,
    warmup: int,
    seed: int,
) -> None:
    """Record the missing rounds as a new session.

    Args:
        recording: so far.
        chosen: contenders by key.
        model: key of MODELS.
        batch_size: images per batch.
        device: of networks and batches.
        num_rounds: total number, including earlier sessions.
        warmup: uncounted rounds.
        seed: of the batches and the orders.
    """
    done = recording.num_rounds
    if done >= num_rounds:
        return
    entrants = {
        key: Entrant(take=contender.start(_placed(contender, model, device)), memory_format=contender.memory_format)
        for key, contender in chosen.items()
    }
    batches = random_batches(batch_size, device=device, seed=seed + done)
    session = {**describe(device), "first_round": done}
    session["first_seconds"] = warm_up(entrants, batches, iterations=warmup)
    recording.content["sessions"].append(session)
    contention, order = Contention(), np.random.default_rng(seed + done)
    for taken in timed_rounds(entrants, islice(batches, num_rounds - done), order=order):
        session |= disturbance(contention)
        recording.add(taken)


def _placed(contender: Contender, model: str, device: torch.device) -> nn.Module:
    return network(model).to(device).to(memory_format=contender.memory_format)
