"""Final training: one configuration, several seeds, on the whole training set; tested once, at the end."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsam_tune.analysis.results import Objective, StudyResult
from vsam_tune.errors import InputError, problem
from vsam_tune.study.execution.events import Listener
from vsam_tune.study.execution.runner import Runner
from vsam_tune.study.file.differences import all_differing_keys, difference_rules
from vsam_tune.study.file.run_length import check_run_length
from vsam_tune.study.file.sections import Resources
from vsam_tune.study.file.study_file import Export
from vsam_tune.study.scheduling.plan import Plan
from vsam_tune.study.tracking.mlflow_view import study_view
from vsam_tune.trial import trial_seed

_OBJECTIVES = (Objective("test_accuracy", "maximize"), Objective("ais", "maximize"))


def final_plan(export: Export, name: str, *, seeds: int, resources: Resources, tracking_uri: str | None = None) -> Plan:
    """Return the plan of a final training: the configuration under the replicates 0 .. seeds - 1.

    Args:
        export: the configuration, as `front --export` writes it or a user.
        name: of the training, and of its folder.
        seeds: number of replicates.
        resources: of one replicate.
        tracking_uri: of MLflow; None for a file in the folder.
    """

    def config(params: Mapping[str, Any], _: int) -> dict[str, Any]:
        seed = trial_seed(export.task.seed, "final", params["replicate"])
        return {**export.settings(), "seed": seed, "final": True}

    resolved = {"objectives": [each.definition() for each in _OBJECTIVES], **export.resolved()}
    return Plan(
        name=name,
        objectives=_OBJECTIVES,
        fixed_trials=[{"replicate": number} for number in range(seeds)],
        epochs=export.epochs,
        resources=resources,
        tracking_uri=tracking_uri,
        view=study_view(_OBJECTIVES, ["replicate"]),
        keep_checkpoints=True,
        trainable=export.trainable,
        config=config,
        resolved=resolved,
    )


@dataclass(frozen=True, kw_only=True)
class FinalTrainingJob:
    """Train the replicates of one configuration that are not done yet.

    Attributes:
        export: the configuration.
        plan: as `final_plan` returned it.
        out: the folder of storage, checkpoints and tracking.
    """

    export: Export
    plan: Plan
    out: Path
    suffix: str = ""
    folder: str = ""

    def check_against(self, stored: StudyResult | None) -> None:
        """Compare the configuration with the one that is trained in the folder.

        Raises:
            InputError: if a key differs.
        """
        if stored is not None and (keys := all_differing_keys(self.plan.resolved, stored.study)):
            rule, fix = (
                "differs from the configuration that is trained there",
                "another --out DIR; nothing is ever deleted",
            )
            rules = difference_rules(rule, keys, self.plan.resolved, stored.study)
            raise InputError(*(problem(self.out, key, None, each, fix) for key, each in rules.items()))

    def extent(self, stored: StudyResult | None) -> tuple[int | None, int]:
        """Return the number of replicates, and how many are complete or pruned."""
        return len(self.plan.enqueued), stored.num_finished() if stored else 0

    def plans(self) -> Iterator[Plan]:
        """Yield the one plan."""
        yield self.plan

    def warnings(self, facts: Mapping[str, float]) -> list[str]:
        """Return a line for each setting that the run is too short for."""
        return [
            each.line(self.export.file, self.export.overridden) for each in check_run_length(self.export, {}, facts)
        ]


def train(
    export: Export,
    plan: Plan,
    out: Path,
    *,
    listeners: Sequence[Listener] = (),
    workers: int | None = None,
    address: str | None = None,
) -> StudyResult:
    """Train the replicates that are not done yet.

    Args:
        export: the configuration.
        plan: as `final_plan` returned it.
        out: holds storage, checkpoints and tracking.
        listeners: are informed of replicates as they go.
        workers: replicates at a time.
        address: of an existing Ray cluster; None for one on this machine.

    Returns:
        All replicates; those that failed are among them.

    Raises:
        InputError: if the folder holds another configuration, or the data are not there.
    """
    job = FinalTrainingJob(export=export, plan=plan, out=out)
    return Runner(out).run(job, listeners=listeners, workers=workers, address=address)[0]
