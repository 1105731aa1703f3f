"""AIS, average images a second: vSAM eq. 20, (images an epoch * epochs) / total training seconds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class AISMeter:
    """Counts images and the seconds spent on them; what happens outside `running` costs nothing.

    Data loading belongs inside; evaluation, checkpoints and logging belong outside (eq. 20).

    Attributes:
        clock: returns seconds that never go backwards.
        synchronize: waits until the device has done what it was given, so that queued work is counted; called at
            both ends of `running`, never in an iteration.
        images: images trained on so far, counted once a pass over the data, whatever an iteration costs.
        seconds: seconds spent in `running` so far.
    """

    clock: Callable[[], float]
    synchronize: Callable[[], None] = field(default=lambda: None)
    images: int = 0
    seconds: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the seconds of the block, also where it ends with an exception."""
        self.synchronize()
        start = self.clock()
        try:
            yield
        finally:
            self.synchronize()
            self.seconds += self.clock() - start

    @property
    def images_per_second(self) -> float:
        """AIS so far (eq. 20); NaN before the first image."""
        return self.images / self.seconds if self.seconds > 0 else float("nan")

    def state_dict(self) -> dict[str, float]:
        """Return the counts, so that a resumed trial reports the AIS of the whole of it."""
        return {"images": self.images, "seconds": self.seconds}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Restore what `state_dict` returned."""
        self.images, self.seconds = int(state["images"]), state["seconds"]
