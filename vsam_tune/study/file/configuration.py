"""What trains: task, base optimizer, method, trainable. A study searches around one; an export is one."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from pydantic import JsonValue

from search_spaces.schema import Dimension
from vsam_tune.registry.base_optimizers import BASE_OPTIMIZERS
from vsam_tune.registry.methods import METHODS
from vsam_tune.registry.object_reference import is_object_path
from vsam_tune.study.file.hyperparameters import NamedSettings, Parameters, can_exist
from vsam_tune.study.file.method import check_base_optimizer, check_method, read_named
from vsam_tune.study.file.problems import Problems
from vsam_tune.study.file.task import Task, read_task

DEFAULT_TRAINABLE = "trainables.classification:Classification"
CONFIGURATION_KEYS = ("task", "base_optimizer", "method", "trainable")


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What trains.

    Attributes:
        file: where it comes from; two that differ in it alone are equal.
        task: with absolute paths.
        base_optimizer: its name and its fixed settings.
        method: its name and its fixed settings.
        trainable: `module:Class` of the Ray trainable.
    """

    file: Path = field(compare=False)
    task: Task
    base_optimizer: NamedSettings
    method: NamedSettings
    trainable: str

    @property
    def parameters(self) -> Parameters:
        """What can be set or searched."""
        return Parameters(self.method.name, self.base_optimizer.name)

    @property
    def fixed(self) -> dict[str, JsonValue]:
        """The fixed settings by name."""
        return {**self.method.settings, **self.base_optimizer.settings}

    @property
    def values(self) -> dict[str, JsonValue]:
        """Each setting's value where it is not searched: fixed, a preset's own, or the default."""
        return {**self.parameters.defaults(), **self.fixed}

    @property
    def epochs(self) -> int:
        """Epochs of one trial: the task's, or as many times more as the method takes."""
        return round(self.task.epochs * self.parameters.entry.epochs)

    @property
    def custom_trainable(self) -> bool:
        """Whether the trainable is one's own."""
        return self.trainable != DEFAULT_TRAINABLE

    @property
    def takes_any_setting(self) -> bool:
        """Whether the method may have settings that are not known here: it, or the trainable, is one's own."""
        return self.custom_trainable or self.method.name not in METHODS

    def completed(self, space: Mapping[str, Dimension]) -> Self:
        """Return it with the settings that its file leaves out.

        Those that are searched, a preset's own, and those that can have no effect are left out still.

        Args:
            space: what is searched.
        """
        parameters = self.parameters
        values = self.values
        ranges = parameters.ranges
        settings = {
            name: value
            for name, value in values.items()
            if name not in space
            and name not in parameters.entry.fixed
            and (name not in ranges or can_exist(ranges[name], space, values))
        }
        base = {name: settings[name] for name in parameters.of_base if name in settings}
        method = {name: value for name, value in settings.items() if name not in base}
        return replace(
            self,
            base_optimizer=NamedSettings(self.base_optimizer.name, base),
            method=NamedSettings(self.method.name, method),
        )

    def settings(self, params: Mapping[str, JsonValue] | None = None) -> dict[str, Any]:
        """Return all settings of one trial, as JSON values.

        Args:
            params: the searched parameters, by name.

        Returns:
            `task`, by its keys; `base_optimizer`, `optimizer` (its `module:class`) and keyword arguments;
            `method`, `name` and every hyper-parameter, a preset's own included; `trainable`.
        """
        parameters = self.parameters
        values = parameters.complete(self.fixed, params or {})
        base = {name: values.pop(name) for name in parameters.of_base}
        return {
            "task": {**self.task.model_dump(mode="json"), "epochs": self.epochs},
            "base_optimizer": {"optimizer": BASE_OPTIMIZERS[self.base_optimizer.name].optimizer, **base},
            "method": {"name": self.method.name, **values},
            "trainable": self.trainable,
        }

    def resolved(self) -> dict[str, Any]:
        """Return what is read as this again, as plain values for a YAML file."""
        return {
            "task": self.task.model_dump(mode="json"),
            "base_optimizer": self.base_optimizer.written(),
            "method": self.method.written(),
            "trainable": self.trainable,
        }


def read_configuration(content: Mapping[str, object], problems: Problems) -> Configuration | None:
    """Return what a file trains, as far as it says so; what is wrong is added, and a default in its place.

    Args:
        content: the file.
        problems: where errors go.

    Returns:
        None where the method is not known, on which everything else depends.
    """
    trainable = content.get("trainable", DEFAULT_TRAINABLE)
    if not isinstance(trainable, str) or not is_object_path(trainable):
        problems.add("trainable", trainable, "must be module:Class", f"write {DEFAULT_TRAINABLE}, or leave it out")
        return None
    custom_trainable = trainable != DEFAULT_TRAINABLE
    task = read_task(content.get("task", {}), problems.file.parent, problems, custom_trainable=custom_trainable)
    base = read_named(content.get("base_optimizer", {}), "base_optimizer", BASE_OPTIMIZERS, "sgd", problems)
    default = None if custom_trainable else "vsam"  # a trainable of one's own may not have vSAM's parameters
    method = read_named(content.get("method", {}), "method", METHODS, default, problems, own=True)
    if method is None:
        return None
    base = base or NamedSettings("sgd", {})
    parameters = Parameters(method.name, base.name)
    base = check_base_optimizer(base, parameters, problems)
    method = check_method(
        method, parameters, problems, accepts_unknown_settings=custom_trainable or method.name not in METHODS
    )
    return Configuration(file=problems.file, task=task, base_optimizer=base, method=method, trainable=trainable)
