"""A search and its confirmation that never trained: what `vsam-tune confirm` leaves, in plain numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

from vsam_tune.analysis.results import Objective, StudyResult, TrialRecord

OBJECTIVES = (Objective("val_accuracy", "maximize"), Objective("ais_vs_sam", "maximize"))
DEVICE = "Linux x86_64, 2 cores"
METHODS = {"sgd": 0.0, "sam": 1.0}  # rows that are no trials


def searched(
    *values: tuple[float, ...], errors: float = 0.0, objectives: Sequence[Objective] = OBJECTIVES
) -> StudyResult:
    """Return a search whose trials have these values, each with this standard error of the first objective."""
    names = [each.name for each in objectives]
    return StudyResult(
        name="mine",
        objectives=tuple(objectives),
        trials=tuple(
            TrialRecord(
                number=number,
                state="complete",
                params={},
                values=dict(zip(names, each, strict=True)),
                metrics={f"{names[0]}_error": errors, "sampled_fraction": 0.25},
            )
            for number, each in enumerate(values)
        ),
        reference_point=None,
        study={},
    )


def label(row: int | str) -> str:
    return row if isinstance(row, str) else f"vsam trial {row}"


class Made:
    """A confirmation, filled trial by trial; a row is the number of a trial, or the name of a method."""

    def __init__(self, *, timed: bool = True) -> None:
        self.trials: list[TrialRecord] = []
        self.rows: dict[str, dict[str, Any]] = {}
        self._timed = timed

    def _add(self, row: int | str, params: Mapping[str, Any], metrics: Mapping[str, float], state: str) -> "Made":
        self.rows[label(row)] = {"trial": row if isinstance(row, int) else None}
        params, number = {"label": label(row), **params}, len(self.trials)
        held = dict(metrics) if state == "complete" else {}
        self.trials.append(TrialRecord(number=number, state=state, params=params, values={}, metrics=held))
        return self

    def seeds(
        self, row: int | str, *accuracies: float, state: str = "complete", **metrics: float | Sequence[float]
    ) -> "Made":
        """Add a replicate with each of these validation accuracies; it tests a point lower.

        Other metrics are one number for all, or a number each.
        """
        for replicate, accuracy in enumerate(accuracies):
            reported = {"val_accuracy": accuracy, "test_accuracy": accuracy - 1, "sampled_fraction": 0.25, "ais": 9.0}
            others = {
                name: float(value) if isinstance(value, int | float) else value[replicate]
                for name, value in metrics.items()
            }
            self._add(row, {"replicate": replicate}, {**reported, **others}, state)
        return self

    def time(self, row: int | str, value: float, error: float = 0.01, *, timing: int = 1, **metrics: Any) -> "Made":
        """Add a timing."""
        device, state = metrics.pop("device", DEVICE), metrics.pop("state", "complete")
        measured = {"ais": 100 * value, "ais_error": 100 * error, "ais_vs_sam": value, "ais_vs_sam_error": error}
        reported = {**measured, "ideal_ais_vs_sam": 1.6, "alone": 1.0, **metrics}
        return self._add(row, {"timing": timing, "device": device}, reported, state)

    @property
    def result(self) -> StudyResult:
        return StudyResult(
            name="mine",
            objectives=(Objective("ais", "maximize"),),
            trials=tuple(self.trials),
            reference_point=None,
            study={"rows": self.rows, "timed": self._timed},
        )
