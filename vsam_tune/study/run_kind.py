"""What the trials of a plan are called in MLflow, and found by: a search's, and those of its baselines beside them."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class RunKind:
    """How the trials of a plan stand in an MLflow experiment.

    Attributes:
        name: of the kind, the tag `vsam_tune.kind`.
        tag: the tag that holds a trial's number; each kind counts from 0, so that each has its own.
        run_name: of a trial, with its `number` and its parameters in braces.
        first_color: added to the number for the colour of a run.
        guest: whether the experiment is that of a search, to which the summary belongs.
    """

    name: str
    tag: str
    run_name: str
    first_color: int = 0
    guest: bool = False

    def title(self, number: int, params: Mapping[str, object]) -> str:
        """Return the name of a trial's run.

        Args:
            number: of the trial.
            params: of the trial, by name.
        """
        return self.run_name.format_map({**params, "number": number})


TRIAL = RunKind(name="trial", tag="vsam_tune.trial", run_name="trial {number}")
BASELINE = RunKind(
    name="baseline",
    tag="vsam_tune.baseline",
    run_name="{label} seed {replicate}",
    first_color=10_007,  # no trial's: a search of so many has other worries
    guest=True,
)
