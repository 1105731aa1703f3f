"""METRICS: the numbers that a trial reports, as data. Tables, figures, MLflow and the study file read them here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """What the program knows of a number that a trainable reports.

    Attributes:
        title: for the axis of a figure, without the unit.
        meaning: one line for the documentation; empty for a metric of the user's own trainable.
        direction: which way is better; None for a metric that a study file cannot name without a direction.
        unit: of its values; empty for counts and fractions.
        decimals: how many a table shows; None for three significant digits.
        shown: whether tables and MLflow show it where it is no objective.
    """

    title: str
    meaning: str = ""
    direction: Direction | None = None
    unit: str = ""
    decimals: int | None = None
    shown: bool = False

    @property
    def axis_title(self) -> str:
        """The title with the unit in parentheses."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


METRICS: Mapping[str, Metric] = {
    "val_accuracy": Metric(
        title="validation accuracy",
        meaning="correct images of the validation part, which no trial trains on",
        direction="maximize",
        unit="%",
        decimals=2,
    ),
    "ais": Metric(
        title="AIS",
        meaning="average images per second: the images of all epochs divided by the seconds of training; includes "
        "loading and augmentation, excludes evaluation and checkpoints",
        direction="maximize",
        unit="images/s",
        decimals=0,
    ),
    "ais_vs_sam": Metric(
        title="AIS over SAM's AIS",
        meaning="AIS divided by SAM's AIS, which the SAM probe measures in the same trial, on the same worker, in the"
        " same minutes; with one thread on a CPU in processor time. Not reported if it is unreliable, for "
        "example with too few probe steps; the log then contains the reason",
        direction="maximize",
        unit="ratio",
        decimals=3,
    ),
    "gradient_evaluations": Metric(
        title="gradient evaluations per iteration",
        meaning="gradient evaluations per iteration, on average; exact, and the same on every machine",
        direction="minimize",
        decimals=3,
    ),
    "sampled_fraction": Metric(
        title="sampled fraction of iterations",
        meaning="iterations with a second gradient, divided by all iterations",
        direction="minimize",
        decimals=3,
        shown=True,
    ),
    "val_loss": Metric(
        title="validation loss",
        meaning="mean cross-entropy on the validation part",
        direction="minimize",
        decimals=4,
    ),
    "train_loss": Metric(
        title="training loss",
        meaning="mean cross-entropy of the last epoch's training batches, with the task's label smoothing",
        direction="minimize",
        decimals=4,
    ),
    "test_accuracy": Metric(
        title="test accuracy",
        meaning="correct images of the test set; final trainings, baselines and confirmations report it once, at the "
        "end",
        unit="%",
        decimals=2,
    ),
    "averaged_val_accuracy": Metric(
        title="validation accuracy of the averaged model",
        meaning="validation accuracy of the averaged model, for a method that keeps one",
        unit="%",
        decimals=2,
    ),
    "averaged_test_accuracy": Metric(
        title="test accuracy of the averaged model",
        meaning="test accuracy of the averaged model, for a method that keeps one",
        unit="%",
        decimals=2,
    ),
    "ideal_ais_vs_sam": Metric(
        title="ideal AIS over SAM's AIS",
        meaning="AIS over SAM's if every gradient evaluation took the same time",
        unit="ratio",
        decimals=3,
    ),
    "efficiency": Metric(
        title="efficiency",
        meaning="`ais_vs_sam` over `ideal_ais_vs_sam`; below 1 the trial is slower than its gradient evaluations "
        "suggest",
        unit="ratio",
        decimals=3,
    ),
    "ais_vs_sam_wall": Metric(
        title="AIS over SAM's AIS, elapsed time",
        meaning="AIS over SAM's AIS in elapsed time",
        unit="ratio",
        decimals=3,
    ),
    "ais_vs_sam_cpu": Metric(
        title="AIS over SAM's AIS, processor time",
        meaning="AIS over SAM's AIS in processor time; not on a GPU",
        unit="ratio",
        decimals=3,
    ),
    "ais_vs_sam_totals": Metric(
        title="AIS over SAM's AIS, from totals",
        meaning="the ratio of the total times, without the pairing of neighbouring blocks",
        unit="ratio",
        decimals=3,
    ),
    "forward_passes": Metric(
        title="forward passes per iteration",
        meaning="forward passes without a backward pass in an iteration, on average",
        decimals=3,
    ),
    "guarded": Metric(
        title="guarded change rates",
        meaning="change rates that vSAM took as 0, since the value before was too small to divide by",
        decimals=0,
    ),
    "adaptation_start": Metric(
        title="start of the adaptation",
        meaning="the first iteration in which vSAM adapted its sampling rate; missing where it never did",
        decimals=0,
    ),
    "train_seconds": Metric(title="seconds of training", meaning="seconds of training", unit="s", decimals=1),
    "reference_steps": Metric(title="SAM steps", meaning="SAM steps that were run to compare speeds", decimals=0),
    "reference_seconds": Metric(
        title="seconds of SAM steps", meaning="seconds that the SAM steps took", unit="s", decimals=1
    ),
    "replicates": Metric(title="replicates", meaning="replicates that have ended, where there are several", decimals=0),
    "epoch": Metric(title="epoch", meaning="epochs trained, over all replicates", decimals=0),
    "iteration": Metric(title="iteration", meaning="iterations trained, over all replicates", decimals=0),
}

DIRECTIONS: Mapping[str, Direction] = {
    name: metric.direction for name, metric in METRICS.items() if metric.direction is not None
}
SHOWN = tuple(name for name, metric in METRICS.items() if metric.shown)

_ERRORS = ("_seed_error", "_error")  # suffixes: standard errors, in the unit of their metric


def metric_of(name: str) -> Metric:
    """Return what is known of a metric; a name that is not listed is its own title.

    A standard error, such as `ais_error` or `errors.ais`, has the unit and the decimals of its metric.
    """
    if name in METRICS:
        return METRICS[name]
    for suffix in _ERRORS:
        known = METRICS.get(name.removeprefix("errors.").removesuffix(suffix))
        if known is not None:
            return Metric(title=name, unit=known.unit, decimals=known.decimals)
    return Metric(title=name)
