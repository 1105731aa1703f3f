"""From a trial of Optuna to our record of the trial."""

from collections.abc import Sequence
from datetime import UTC, datetime

from optuna.trial import FrozenTrial

from vsam_tune.analysis.results import TrialRecord


def trial_record(trial: FrozenTrial, objectives: Sequence[str], *, folder: str) -> TrialRecord:
    """Return the record of a trial.

    Args:
        trial: in any state.
        objectives: names, in order.
        folder: where its files are once it has started, relative to the study's folder.
    """
    attributes = trial.user_attrs
    started = trial.datetime_start and trial.datetime_start.astimezone()  # Optuna's are naive, in local time
    ended = trial.datetime_complete and trial.datetime_complete.astimezone()
    metrics = attributes.get("metrics", {})
    raced = "".join(attributes.get("races", {}).values())  # the last one alone may be a reason
    return TrialRecord(
        number=trial.number,
        state=trial.state.name.lower(),
        params=dict(trial.params or trial.system_attrs.get("fixed_params", {})),
        values=dict(zip(objectives, trial.values or (), strict=False)),
        metrics=dict(metrics),
        feasible=all(value <= 0 for value in trial.constraints.values()),
        seed=attributes.get("seed"),
        started=started,
        seconds=((ended or datetime.now(UTC)) - started).total_seconds() if started else None,
        epochs=int(metrics.get("epoch", 0)),
        error=attributes.get("error"),
        stopped=attributes.get("stopped"),
        infeasible=attributes.get("infeasible"),
        stopped_by_racing=raced or None,
        ray_trial_id=(attributes.get("ray_trial_ids") or [None])[-1],
        resumed=attributes.get("resumed", 0),
        folder=folder if started else None,
        rungs={int(epoch): row for epoch, row in attributes.get("rungs", {}).items()},
        decisions={int(epoch): decision for epoch, decision in attributes.get("decisions", {}).items()},
        paused=attributes.get("paused"),
    )
