"""AIS, average images per second: vSAM eq. 20, (images an epoch * epochs) / total training seconds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(slots=True)
class AISMeter:
    """Counts images, and the seconds of the blocks inside `running`.

    Data loading belongs inside; evaluation, checkpoints and logging belong outside (eq. 20).

    Attributes:
        clock: returns seconds that never go backwards.
        synchronize: waits until the device has done its queued work, so that this work is counted; called at both ends
            of `running`, never in an iteration.
        images: images trained on so far, each counted once an iteration, whatever the iteration costs.
        seconds: spent in `running` so far.
        marks: images and seconds at each `mark`.
    """

    clock: Callable[[], float]
    synchronize: Callable[[], None] = field(default=lambda: None)
    images: int = 0
    seconds: float = 0.0
    marks: list[tuple[int, float]] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the seconds of the block, even if it raises."""
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

    def mark(self) -> None:
        """End one stretch of the trial and begin the next, for `error`."""
        self.marks.append((self.images, self.seconds))

    @property
    def error(self) -> float:
        """One standard error of AIS, from its differences between the stretches; NaN below two of them.

        AIS is a ratio of totals, so the error is that of a ratio estimator (Cochran 1977, eq. 6.13). A load that slows
        all stretches equally is not in it.
        """
        ends = np.array([(0, 0.0), *self.marks, (self.images, self.seconds)])
        images, seconds = np.diff(ends, axis=0).T
        images, seconds = images[images > 0], seconds[images > 0]
        if len(images) < 2:
            return float("nan")
        residuals = images - self.images_per_second * seconds
        return float(np.sqrt(np.sum(residuals**2) * len(images) / (len(images) - 1)) / self.seconds)

    def state_dict(self) -> dict[str, Any]:
        """Return the counts, so that a resumed trial reports the AIS of the whole trial."""
        return {"images": self.images, "seconds": self.seconds, "marks": list(self.marks)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.images, self.seconds, self.marks = state["images"], state["seconds"], list(state["marks"])
