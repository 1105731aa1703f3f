"""A second forward pass on the same batch: it must not change batch norm, and must repeat the random draws.

Batch norm: only the first pass updates its running statistics. With `track_running_stats = False` a module in training
mode uses batch statistics and changes no buffer, `num_batches_tracked` included; with a momentum of 0 it would still
advance that counter. Randomness: the second pass repeats the draws of the first one, so that dropout drops the same
units and rho = 0 is exactly the base optimizer.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def batch_norms(model: nn.Module) -> list[_BatchNorm]:
    """Return the modules of a model whose running statistics a forward pass may update."""
    return [module for module in model.modules() if isinstance(module, _BatchNorm)]


@contextmanager
def frozen_statistics(modules: Iterable[_BatchNorm]) -> Iterator[None]:
    """Do not update the running statistics of batch norms while the block runs, even if it raises."""
    tracking = [module for module in modules if module.track_running_stats]
    try:
        for module in tracking:
            module.track_running_stats = False
        yield
    finally:
        for module in tracking:
            module.track_running_stats = True


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
