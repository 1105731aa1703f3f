"""Names and tags of runs in MLflow, for trials of a search and for those of baselines and confirmations."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class RunKind:
    """Name and tags of the runs of a plan's trials.

    Attributes:
        name: of the kind, the tag `vsam_tune.kind`.
        tag: the tag that holds a trial's number; each kind counts from 0, so that each has its own.
        run_name: the name of a trial, from its `number` and its parameters by name.
        first_color: added to the number for the colour of a run.
        guest: whether the runs are in the experiment of a search, which alone writes a summary.
    """

    name: str
    tag: str
    run_name: Callable[[Mapping[str, object]], str]
    first_color: int = 0
    guest: bool = False

    def title(self, number: int, params: Mapping[str, object]) -> str:
        """Return the name of a trial's run.

        Args:
            number: of the trial.
            params: of the trial, by name.
        """
        return self.run_name({**params, "number": number})


TRIAL = RunKind(name="trial", tag="vsam_tune.trial", run_name="trial {number}".format_map)
BASELINE = RunKind(
    name="baseline",
    tag="vsam_tune.baseline",
    run_name="{label} seed {replicate}".format_map,
    first_color=10_007,  # no search has so many trials
    guest=True,
)


def _confirm_name(params: Mapping[str, object]) -> str:
    trial = f"seed {params['replicate']}" if "replicate" in params else f"timing {params['timing']}"
    return f"{params['label']} confirm {trial}"


CONFIRM = RunKind(
    name="confirm", tag="vsam_tune.confirm", run_name=_confirm_name, first_color=2 * BASELINE.first_color, guest=True
)
