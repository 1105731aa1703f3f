"""A second forward pass on the same batch: it must not change the network's buffers, and must repeat the random draws.

Normalisation: only the first pass updates running statistics. With `track_running_stats = False` a batch norm in
training mode uses batch statistics and changes no buffer, `num_batches_tracked` included; with a momentum of 0 it would
still advance that counter. Instance norm ignores that flag and updates the buffers that it has, so they are copied and
copied back. Spectral norm: only the first pass takes a step of its power iteration. Randomness: the second pass repeats
the draws of the first one, so that dropout drops the same units. So rho = 0 is exactly the base optimizer.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.nn.utils.spectral_norm import SpectralNorm

from vsam_tune.optimizers.perturbation import copies, copy_


def norms_with_statistics(model: nn.Module) -> list[_NormBase]:
    """Return the modules of a model whose running statistics a forward pass may update: batch and instance norms."""
    return [module for module in model.modules() if isinstance(module, _NormBase)]


@contextmanager
def frozen_statistics(modules: Iterable[_NormBase]) -> Iterator[None]:
    """Do not update the running statistics of these modules while the block runs, even if it raises."""
    tracking = [module for module in modules if module.track_running_stats]
    batch_norms = [module for module in tracking if isinstance(module, _BatchNorm)]
    others = [module for module in tracking if not isinstance(module, _BatchNorm)]
    buffers = [buffer for module in others for buffer in module.buffers(recurse=False)]
    with torch.no_grad():
        kept = copies(buffers)
    try:
        for module in batch_norms:
            module.track_running_stats = False
        yield
    finally:
        for module in batch_norms:
            module.track_running_stats = True
        with torch.no_grad():
            copy_(buffers, kept)


def power_iterations(model: nn.Module) -> list[SpectralNorm | _SpectralNorm]:
    """Return the spectral norms of a model, of both of torch's forms; a forward pass may move their vectors."""
    modules = list(model.modules())
    parametrizations = [module for module in modules if isinstance(module, _SpectralNorm)]
    hooks = [hook for module in modules for hook in module._forward_pre_hooks.values()]
    # that of a vector has no power iteration
    return [module for module in parametrizations if any(True for _ in module.buffers(recurse=False))] + [
        hook for hook in hooks if isinstance(hook, SpectralNorm)
    ]


@contextmanager
def frozen_vectors(norms: Iterable[SpectralNorm | _SpectralNorm]) -> Iterator[None]:
    """Use the vectors of spectral norms as they are while the block runs, even if it raises."""
    steps = [(norm, norm.n_power_iterations) for norm in norms]
    try:
        for norm, _ in steps:
            norm.n_power_iterations = 0
        yield
    finally:
        for norm, number in steps:
            norm.n_power_iterations = number


@dataclass(frozen=True, slots=True)
class RandomState:
    """The state of torch's default generators. Reading it costs a microsecond and waits for no device.

    Attributes:
        cpu: of the CPU.
        cuda: of some CUDA devices, each with its state (a CPU tensor).
    """

    cpu: Tensor
    cuda: tuple[tuple[torch.device, Tensor], ...]

    @classmethod
    def now(cls, devices: Iterable[torch.device]) -> "RandomState":
        """Return the state of the CPU and of the CUDA devices among these."""
        cuda = tuple((device, torch.cuda.get_rng_state(device)) for device in devices if device.type == "cuda")
        return cls(torch.get_rng_state(), cuda)

    def restore(self) -> None:
        """Set the generators to this state."""
        torch.set_rng_state(self.cpu)
        for device, state in self.cuda:
            torch.cuda.set_rng_state(state, device)

    def equals(self, other: "RandomState") -> bool:
        """Return whether nothing was drawn between the two states, of the same devices."""
        mine = [self.cpu, *(state for _, state in self.cuda)]
        theirs = [other.cpu, *(state for _, state in other.cuda)]
        return all(torch.equal(one, two) for one, two in zip(mine, theirs, strict=True))


@contextmanager
def replayed(before: RandomState) -> Iterator[None]:
    """Run the block from the random state `before`, and restore the present one, even if the block raises.

    Args:
        before: the state before the first pass; if that drew nothing, the generators are not touched.

    Yields:
        Nothing.
    """
    after = RandomState.now(device for device, _ in before.cuda)
    if before.equals(after):
        yield
        return
    before.restore()
    try:
        yield
    finally:
        after.restore()
