"""The trials of a row: replicates, which train it, and timings, which measure its speed alone."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Replicate:
    """A training of a row.

    Attributes:
        label: of the row.
        replicate: from 0; one replicate has one seed for all rows, so that rows are paired.
    """

    label: str
    replicate: int

    def to_params(self) -> dict[str, Any]:
        """Return the parameters of its trial."""
        return asdict(self)

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Self | None:
        """Return the replicate that a trial with these parameters is; None for another kind of trial."""
        return cls(**params) if params.keys() == {"label", "replicate"} else None


@dataclass(frozen=True, slots=True)
class Timing:
    """A measurement of a row's speed, while no other trial runs.

    Attributes:
        label: of the row.
        timing: from 1; the rows that are timed together share a number.
        device: the machine.
    """

    label: str
    timing: int
    device: str

    def to_params(self) -> dict[str, Any]:
        """Return the parameters of its trial."""
        return asdict(self)

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Self | None:
        """Return the timing that a trial with these parameters is; None for another kind of trial."""
        return cls(**params) if params.keys() == {"label", "timing", "device"} else None
