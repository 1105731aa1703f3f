"""The numbers of the paper's tables 1 to 5 (vSAM, arXiv 2403.08821), to compare a study's own numbers with.

`published_tables.csv` holds them as printed. Rows that the paper quotes from other papers, measured there under other
settings and on other machines, are kept apart from its own runs.
"""

import csv
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

from vsam_tune.analysis.definitions import Settings
from vsam_tune.registry.data_and_models import MODELS
from vsam_tune.registry.methods import METHODS

EPOCHS, BATCH_SIZE = 200, 128  # of tables 1 to 4; those of table 5 are not said
SHOWN = ("table", "accuracy", "accuracy_std", "sampling_number", "ais", "percent_of_sam", "note")  # of a row, by name
_MODELS = {  # our name -> the paper's
    "wrn34_10": "wrn28_10",  # as which the authors' program builds it
    "mobilenet_v1": "mobilenet",  # the paper does not say the version
    "mobilenet_v1_relu6": "mobilenet",  # that of the authors' program
}
_DOUBTS = {
    "wrn28_10": "its network is probably wrn34_10, which its authors' program builds under this name",
    "mobilenet": "its network is probably mobilenet_v1_relu6, the one of its authors' program",
}
_BY_PERIOD = {"periodic_sam": "sam_{period}", "looksam": "looksam_{period}"}  # names that hold a setting
_MAIN = 3  # the table that has a spread and every method: the first choice where several have a row
_QUANTIZED, _PREFIX = 5, "lsq_"


@dataclass(frozen=True, kw_only=True, slots=True)
class PaperRow:
    """One row of a table.

    Attributes:
        table: 1 to 5.
        dataset: `cifar10` or `cifar100`.
        model: the network, by the paper's name.
        method: by our name, settings in brackets.
        accuracy: on the test set, in percent, mean over three seeds.
        accuracy_std: its spread over the seeds, in points.
        sampling_number: iterations with a second gradient, of 78,200.
        ais: images a second, on one RTX 3090.
        percent_of_sam: AIS in percent of SAM's on the same task.
        note: whom the row is quoted from, or under which quantization it was run; empty for most.
    """

    table: int
    dataset: str
    model: str
    method: str
    accuracy: float
    accuracy_std: float | None
    sampling_number: float | None
    ais: float | None
    percent_of_sam: float | None
    note: str

    @property
    def task(self) -> str:
        """`DATASET/MODEL`."""
        return f"{self.dataset}/{self.model}"

    @property
    def quoted(self) -> bool:
        """Whether the paper took it from another one."""
        return self.note.startswith("as reported by ")

    def as_json(self) -> dict[str, Any]:
        """Return what `compare --format json` shows of it; other tools rely on the keys."""
        return {name: getattr(self, name) for name in SHOWN}


@functools.cache
def tables() -> tuple[PaperRow, ...]:
    """Return all rows, those of table 3 first."""
    with (files("vsam_tune.analysis") / "published_tables.csv").open(encoding="utf-8") as file:
        rows = [_row(cells) for cells in csv.DictReader(file)]
    return tuple(sorted(rows, key=lambda row: (row.table != _MAIN, row.table)))


def tasks() -> tuple[str, ...]:
    """Return the tasks of the tables, `DATASET/MODEL`."""
    return tuple(dict.fromkeys(row.task for row in tables()))


def task_of(task: Mapping[str, Any]) -> str | None:
    """Return which of the paper's tasks a study's is: the same data and network, whatever the epochs and the batch.

    Args:
        task: the resolved `task:` of a study.

    Returns:
        `DATASET/MODEL`; None for any other task, such as a part of the images or a narrower network.
    """
    model = dict(task["model"])
    name = model.pop("name", None)  # a model of a custom trainable may have no name
    changed = any(task.get(key) for key in ("subset", "resize", "label_noise"))
    if changed or name not in MODELS or model != MODELS[name].options:
        return None
    found = f"{task['data']}/{_MODELS.get(name, name)}"
    return found if found in tasks() else None


def doubt_about(task: str) -> str:
    """Return what is not certain about the network of one of `tasks()`, as part of a sentence; empty for nothing."""
    _, _, model = task.partition("/")
    return _DOUBTS.get(model, "")


def rows_of(task: str | None, *, quantized: bool) -> tuple[PaperRow, ...]:
    """Return the rows of one task; none where the tables have none.

    Args:
        task: one of `tasks()`; None for a task that is not the paper's.
        quantized: whether those of table 5, under LSQ, with the method's name alone; or those of tables 1 to 4.
    """
    rows = tuple(row for row in tables() if row.task == task and (row.table == _QUANTIZED) == quantized)
    return tuple(replace(row, method=row.method.removeprefix(_PREFIX)) for row in rows)


def published_rows_for(
    label: str, method: Settings, rows: Sequence[PaperRow]
) -> tuple[PaperRow | None, PaperRow | None]:
    """Return the paper's row for a method: by its label, or else by its name.

    Args:
        label: of the method, such as `vsam(beta=0.05)`.
        method: its `name` and settings.
        rows: of one task.

    Returns:
        (the paper's own run, the run that it quotes), each None where there is none.
    """
    for name in (label, _paper_name(method)):
        found = [row for row in rows if row.method == name]
        if found:
            own = next((row for row in found if not row.quoted), None)
            return own, next((row for row in found if row.quoted), None)
    return None, None


def _paper_name(method: Settings) -> str:
    name = str(method["name"])
    if name not in _BY_PERIOD:
        return name
    default = METHODS[name].hyperparameters["period"].default
    return _BY_PERIOD[name].format(period=method.get("period", default))


def _row(cells: Mapping[str, str]) -> PaperRow:
    return PaperRow(
        table=int(cells["table"]),
        dataset=cells["dataset"],
        model=cells["model"],
        method=cells["method"],
        accuracy=float(cells["accuracy"]),
        accuracy_std=_number(cells["accuracy_std"]),
        sampling_number=_number(cells["sampling_number"]),
        ais=_number(cells["ais"]),
        percent_of_sam=_number(cells["percent_of_sam"]),
        note=cells["note"],
    )


def _number(cell: str) -> float | None:
    return float(cell) if cell else None
