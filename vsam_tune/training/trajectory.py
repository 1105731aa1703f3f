"""The trajectory: a table of a trial's iterations, one row each, with the decisions and norms of its method."""

import math
from operator import attrgetter
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vsam_tune.atomic_file import atomic_path
from vsam_tune.optimizers.observation import Observation

# on the host, fields of an observation
_KNOWN = ("sampling_rate", "expected", "age", "sigma", "v", "u", "squared_norm", "threshold")
_ON_DEVICE = ("l2_psf", "l2_sgd", "penalty")  # read with the next transfer
COLUMNS = ("iteration", "sampled", *_ON_DEVICE, *_KNOWN)
_NAN = float("nan")
_NOTHING_KNOWN = (_NAN,) * len(_KNOWN)
_known_of = attrgetter(*_KNOWN)
_STRETCHES = 5  # of a run, for the error of the sampled fraction


class Trajectory:
    """Records observations without reading the device; `fill` enters the values that one transfer has read.

    Columns: `iteration` from 0; `sampled`, 0 or 1; `l2_psf` and `l2_sgd`, the norms h and q of VSAM's eq. 11 over the
    last layers, NaN where they were not taken; `penalty`, added to the mean loss by a loss term; `sampling_rate`
    (eq. 15), `expected` (N of eq. 14), `age` of the PSF, `sigma` (eq. 8), `v` (eq. 10), `u` (eq. 13), and AE-SAM's
    `squared_norm` and `threshold`, as they were in that iteration, NaN where the method has none.
    """

    def __init__(self) -> None:
        self._rows: list[tuple[float, ...]] = []
        self._pending: list[tuple[int, int, Tensor]] = []  # row, column, a value still on the device
        self.num_sampled = 0

    def __len__(self) -> int:
        return len(self._rows)

    def record(self, observation: Observation | None, penalty: Tensor | None = None) -> None:
        """Append a row for the last iteration.

        Args:
            observation: None for a base optimizer alone.
            penalty: 0-d, added by a loss term; None for none.
        """
        row = len(self._rows)
        norms = (None, None) if observation is None else (observation.l2_psf, observation.l2_sgd)
        for column, value in enumerate((*norms, penalty), start=2):
            if value is not None:
                self._pending.append((row, column, value))
        sampled = observation is not None and observation.sampled
        known = _NOTHING_KNOWN if observation is None else _known_of(observation)
        self._rows.append((row, float(sampled), *[_NAN] * len(_ON_DEVICE), *known))
        self.num_sampled += sampled

    def seed_error(self) -> float:
        """Return one standard error of the sampled fraction over the draws of other seeds, estimated from one run.

        By batch means: the error of the mean of 5 stretches of the run, as if they were independent. An adaptive rate
        drifts for hundreds of iterations, and shorter stretches do not show it: over 24 seeds of one vSAM on digits f
        has a standard deviation of 0.036, where 5 stretches give 0.037 and 20 give 0.021 (docs/measurement.md). A rate
        that grows in every run adds to the estimate too, which is rather too large. 0 below two iterations.
        """
        stretches = min(_STRETCHES, len(self._rows))
        if stretches < 2:
            return 0.0
        stretch = len(self._rows) // stretches
        sampled = np.array([row[1] for row in self._rows[: stretch * stretches]])
        means = sampled.reshape(stretches, stretch).mean(axis=1)
        return float(np.std(means, ddof=1) / np.sqrt(stretches))

    def has_penalty(self) -> bool:
        """Return whether a loss term has added to any loss; call it after `fill`."""
        column = COLUMNS.index("penalty")
        return not all(math.isnan(row[column]) for row in self._rows)

    def pending(self) -> list[Tensor]:
        """Return the 0-d tensors whose values `fill` needs, oldest first."""
        return [value for _, _, value in self._pending]

    def fill(self, values: list[float]) -> None:
        """Enter the values of `pending`, in its order."""
        for (row, column, _), value in zip(self._pending, values, strict=True):
            cells = self._rows[row]
            self._rows[row] = (*cells[:column], value, *cells[column + 1 :])
        self._pending.clear()

    def table(self) -> dict[str, np.ndarray]:
        """Return the filled table as columns: (n,) int64 `iteration`, bool `sampled`, float64 the others."""
        cells = np.array(self._rows, dtype=np.float64).reshape(len(self._rows), len(COLUMNS))
        columns = {name: cells[:, i] for i, name in enumerate(COLUMNS)}
        return {
            **columns,
            "iteration": columns["iteration"].astype(np.int64),
            "sampled": columns["sampled"] > 0,
        }

    def write_parquet(self, path: Path) -> None:
        """Write the table to `path`, whole or not at all.

        Raises:
            OSError: if the disk takes no more; what was there before is untouched.
        """
        import pyarrow as pa  # noqa: PLC0415 - 0.1 s that another loop need not pay
        import pyarrow.parquet as pq  # noqa: PLC0415

        with atomic_path(path) as part:
            pq.write_table(pa.table(self.table()), part)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the filled table, (n, len(COLUMNS)) float64; call it after `fill`."""
        cells = torch.tensor(self._rows, dtype=torch.float64).reshape(len(self._rows), len(COLUMNS))
        return {"rows": cells}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what `state_dict` returned."""
        self._rows = [tuple(row) for row in state["rows"].tolist()]
        self._pending.clear()
        self.num_sampled = int(sum(row[1] for row in self._rows))
