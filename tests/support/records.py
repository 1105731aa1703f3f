"""Trials and studies in plain numbers, for tests of the analysis: no file, no database."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from vsam_tune.analysis.results import Objective, StudyResult, TrialRecord

ACCURACY = Objective("val_accuracy", "maximize")
AIS = Objective("ais", "maximize")
EVALUATIONS = Objective("gradient_evaluations", "minimize")


def trial(
    number: int,
    *values: float,
    state: str = "complete",
    objectives: Sequence[Objective] = (ACCURACY, AIS),
    feasible: bool = True,
    started: datetime | None = None,
    seconds: float | None = None,
    epochs: int = 0,
    rungs: Mapping[int, Mapping[str, float]] | None = None,
    **metrics: float,
) -> TrialRecord:
    named = {each.name: value for each, value in zip(objectives, values, strict=False)}
    return TrialRecord(
        number=number,
        state=state,
        params={"beta": 0.1 * number},
        values=named if state == "complete" else {},
        metrics={**named, "val_loss": 0.5, **metrics},
        feasible=feasible,
        started=started,
        seconds=seconds,
        epochs=epochs,
        rungs=rungs or {},
    )


def study(
    *trials: TrialRecord,
    objectives: Sequence[Objective] = (ACCURACY, AIS),
    reference_point: dict[str, float] | None = None,
) -> StudyResult:
    return StudyResult(
        name="mine",
        objectives=tuple(objectives),
        trials=trials,
        reference_point=reference_point,
        study={"name": "mine"},
    )


# A front of 4 (accurate), 1 (knee), 2 (fast); 0 is dominated, 3 diverged, and the rest did not finish.
MIXED = study(
    trial(0, 90.0, 1000.0),
    trial(1, 95.0, 1800.0),
    trial(2, 88.0, 2000.0),
    trial(3, 99.0, 9000.0, feasible=False),
    trial(4, 96.0, 1000.0),
    trial(5, 99.0, 9000.0, state="pruned", feasible=False),
    trial(6, state="fail"),
    trial(7, 99.0, 9000.0, state="running"),
    trial(8, state="waiting"),
)
EMPTY = study()

# All errors are 1 and 10. Of four trials with two noisy objectives two differ beyond 2.8 errors of a difference: in
# val_accuracy beyond 4.0, in ais beyond 40.
NOISY = study(
    *(
        trial(number, *values, val_accuracy_error=1.0, ais_error=10.0)
        for number, values in enumerate([(90.0, 1000.0), (92.0, 1001.0), (88.5, 1000.0), (87.0, 990.0)])
    )
)
