"""The parts of the table of a confirmation: a row, the pick, and the timing that is shown."""

from dataclasses import dataclass
from typing import TypedDict

from vsam_tune.analysis.estimates import Interval


class Accuracy(TypedDict):
    """Test accuracy over the seeds of a row, in percent."""

    mean: float
    std: float | None
    interval: Interval | None


class Pick(TypedDict):
    """The row at the knee of the confirmed means.

    Attributes:
        trial: its number in the search.
        label: its label.
        confirmed: means over the seeds, by objective.
        test_accuracy: over the seeds.
        left_out: of each seed the value for the row that the other seeds pick, mean over the seeds, by objective.
    """

    trial: int | None
    label: str
    confirmed: dict[str, float | None]
    test_accuracy: Accuracy | None
    left_out: dict[str, float] | None


class ShownTiming(TypedDict):
    """The timing that is shown: its number and device, how many rows it holds, and whether all were timed alone."""

    timing: int
    device: str
    rows: int
    alone: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfirmedRow:
    """One configuration over its fresh seeds; None for unknown values.

    Attributes:
        trial: its number in the search; None for a method that the front is compared with.
        label: its label.
        plain_front: whether it is on the current plain front of the search.
        searched: its values in the search, by objective.
        confirmed: means over the fresh seeds, by objective; `ais` and `ais_vs_sam` from its separate timing.
        interval: of the confirmed value at 95 %, low and high, by objective.
        shrinkage: the confirmed value minus the searched value, by objective.
        test_accuracy: mean, std and interval over the seeds, in percent.
        seeds: number of complete replicates.
        on_front: whether no other trial of the front is significantly better in one objective and, by its mean, worse
            in none.
        replicates: whether every searched value, with its own error, overlaps the confirmed interval, and no trial of
            the front is significantly better in all objectives.
        alone: whether no other process used the processors during the timing.
        device: the device of the timing.
        timing: all results of the timing.
    """

    trial: int | None
    label: str
    plain_front: bool
    searched: dict[str, float] | None
    confirmed: dict[str, float | None]
    interval: dict[str, Interval | None]
    shrinkage: dict[str, float | None] | None
    test_accuracy: Accuracy | None
    seeds: int
    on_front: bool | None
    replicates: bool | None
    alone: bool | None
    device: str | None
    timing: dict[str, float] | None
