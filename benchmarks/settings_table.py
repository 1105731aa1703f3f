"""The table of the trainer's settings: their effects on an iteration of SGD and of SAM; and SGD's update alone."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from benchmarks.contenders import Contender
from benchmarks.method_iterations import BASE, Take, start
from benchmarks.ratios import SAM, SGD, Ratios
from benchmarks.recording import Recording
from benchmarks.rounds import Taken
from vsam_tune.cli.render import render_rows
from vsam_tune.data.loader import Batch

COLUMNS = ("setting", "SGD / default", "SAM / default", "SAM / SGD", "first iteration of SGD, s")


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One setting of the passes.

    Attributes:
        title: in the table.
        closures: keyword arguments of `Closures`.
        memory_format: of the network and the images.
    """

    title: str
    closures: Mapping[str, Any] = field(default_factory=dict)
    memory_format: torch.memory_format = torch.channels_last


DEFAULT = Setting(title="default: float32, channels last")
SETTINGS: dict[str, Setting] = {
    "contiguous": Setting(title="contiguous", memory_format=torch.contiguous_format),
    "bfloat16": Setting(title="bfloat16 autocast", closures={"precision": "bfloat16"}),
    "compiled": Setting(title="torch.compile", closures={"compiled": True}),
    "micro_batches_2": Setting(title="2 micro-batches", closures={"micro_batches": 2}),
    "micro_batches_4": Setting(title="4 micro-batches", closures={"micro_batches": 4}),
}
UPDATES: dict[str, dict[str, bool]] = {  # SGD's implementations; the first is torch's choice on a CPU
    "update: a loop": {"foreach": False},
    "update: foreach": {"foreach": True},
    "update: fused": {"fused": True},
}


def contenders(settings: Iterable[str]) -> dict[str, Contender]:
    """Return SGD and SAM of the trainer, by default and in some settings, and SGD's updates alone."""
    made = {method: _in_setting(method, DEFAULT) for method in (SGD, SAM)}
    made |= {f"{method}:{key}": _in_setting(method, SETTINGS[key]) for key in settings for method in (SGD, SAM)}
    return made | {key: Contender(title=key, start=_update(how)) for key, how in UPDATES.items()}


def _in_setting(method: str, setting: Setting) -> Contender:
    return Contender(
        title=f"{method}, {setting.title}",
        start=lambda model: start({"name": method}, model, setting.closures),
        memory_format=setting.memory_format,
    )


def _update(how: Mapping[str, bool]) -> Callable[[nn.Module], Take]:
    """Return a `start` for updates without passes."""

    def started(model: nn.Module) -> Take:
        optimizer = torch.optim.SGD(model.parameters(), **BASE, **how)
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, 1e-3)

        def take(_: Batch) -> Taken:
            optimizer.step()
            return Taken(sampled=False, evaluations=0.0)

        return take

    return started


def text(recording: Recording, chosen: Mapping[str, Contender], clock: str) -> list[str]:
    """Return the table of settings and that of updates, in Markdown.

    Args:
        recording: at least one round.
        chosen: the measured contenders by key.
        clock: one of CLOCKS.
    """
    ratios, first = recording.ratios(clock), recording.content["sessions"][-1]["first_seconds"]
    rows = [
        _row(DEFAULT, ratios, first),
        *(_row(SETTINGS[key], ratios, first, f":{key}") for key in SETTINGS if f"{SGD}:{key}" in chosen),
    ]
    updates = [{"update": key, "time / SGD": ratios.time(key)} for key in UPDATES]
    return [render_rows(rows, COLUMNS, "markdown"), render_rows(updates, ("update", "time / SGD"), "markdown")]


def _row(setting: Setting, ratios: Ratios, first_seconds: Mapping[str, float], suffix: str = "") -> dict[str, Any]:
    return {
        "setting": setting.title,
        "SGD / default": ratios.over(SGD + suffix, SGD),
        "SAM / default": ratios.over(SAM + suffix, SAM),
        "SAM / SGD": ratios.over(SAM + suffix, SGD + suffix),
        "first iteration of SGD, s": first_seconds[SGD + suffix],
    }
