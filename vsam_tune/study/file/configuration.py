"""The parts of a file that say what trains: task, base optimizer, method, trainable."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import BeforeValidator, JsonValue, PrivateAttr
from typing_extensions import override

from search_spaces.schema import Dimension, Strict, broken
from vsam_tune.registry.base_optimizers import BASE_OPTIMIZERS
from vsam_tune.registry.methods import METHODS
from vsam_tune.registry.object_reference import is_object_path
from vsam_tune.study.file.hyperparameters import NamedSettings, Parameters, can_exist
from vsam_tune.study.file.method import BaseOptimizerSection, MethodSection, check_name, check_settings, typed
from vsam_tune.study.file.problems import Problem, kinds_of, parse, place, without
from vsam_tune.study.file.task import Task, check_task, complete_task

DEFAULT_TRAINABLE = "trainables.classification:Classification"
CUSTOM_METHOD = "custom"  # the name of a custom trainable's method where its file gives none


def _check_trainable(value: object) -> object:
    if not isinstance(value, str) or not is_object_path(value):
        raise broken("", "must be module:name", f"write {DEFAULT_TRAINABLE}, or leave it out")
    return value


class Configuration(Strict):
    """What trains: a study searches around a configuration; an export is one.

    Attributes:
        task: with absolute paths.
        base_optimizer: its name and its fixed settings.
        method: its name and its fixed settings.
        trainable: `module:name` of the Ray trainable, or of a training function.
    """

    task: Task = Task()
    base_optimizer: BaseOptimizerSection = NamedSettings("sgd", {})
    method: MethodSection = NamedSettings("", {})
    trainable: Annotated[str, BeforeValidator(_check_trainable)] = DEFAULT_TRAINABLE
    _file: Path = PrivateAttr(default=Path())
    _overridden: frozenset[str] = PrivateAttr(default=frozenset())

    @override
    def model_post_init(self, context: Any) -> None:
        self._file = (context or {}).get("file", Path())
        self._overridden = (context or {}).get("overridden", frozenset())

    @override
    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment] # its settings are mappings

    @classmethod
    def around(cls, other: "Configuration", **sections: object) -> Self:
        """Return one with some sections of its own; the others, and the file, are those of `other`."""
        shared = {name: value for name, value in other if name in cls.model_fields}
        return cls.model_validate({**shared, **sections}, context={"file": other.file, "overridden": other.overridden})

    @property
    def file(self) -> Path:
        """The file that it comes from; two that differ in it alone are equal."""
        return self._file

    @property
    def overridden(self) -> frozenset[str]:
        """The dotted keys whose values come from the command line."""
        return self._overridden

    def place(self, key: str) -> object:
        """Return where the value of a dotted key comes from, for messages: the file, or the command line."""
        return place(key, self._file, self._overridden)

    @property
    def parameters(self) -> Parameters:
        """The parameters that can be set or searched."""
        return Parameters(self.method.name, self.base_optimizer.name)

    @property
    def fixed(self) -> dict[str, JsonValue]:
        """The fixed settings by name."""
        return {**self.method.settings, **self.base_optimizer.settings}

    @property
    def values(self) -> dict[str, JsonValue]:
        """The value of each setting where it is not searched: fixed, from a preset, or the default."""
        return {**self.parameters.defaults(), **self.fixed}

    @property
    def epochs(self) -> int:
        """Epochs of one trial: those of the task, times the factor of the method."""
        return round(self.task.epochs * self.parameters.entry.epochs)

    @property
    def custom_trainable(self) -> bool:
        """Whether the trainable is custom."""
        return self.trainable != DEFAULT_TRAINABLE

    @property
    def accepts_unknown_settings(self) -> bool:
        """Whether the method may have settings that are not in the registry: it, or the trainable, is custom."""
        return self.custom_trainable or self.method.name not in METHODS

    def completed(self, space: Mapping[str, Dimension]) -> Self:
        """Return it with the settings that its file leaves out.

        It still has no settings that are searched, that a preset fixes, or that can have no effect.
        """
        parameters = self.parameters
        values, ranges = self.values, parameters.ranges
        settings = {
            name: value
            for name, value in values.items()
            if name not in space
            and name not in parameters.entry.fixed
            and (name not in ranges or can_exist(ranges[name], space, values))
        }
        return self.model_copy(update=parameters.split(settings))

    def settings(self, params: Mapping[str, JsonValue] | None = None) -> dict[str, Any]:
        """Return all settings of one trial with these searched parameters, as JSON values.

        Returns:
            `task`, by its keys; `base_optimizer`, `optimizer` (its `module:class`) and keyword arguments;
            `method`, `name` and every hyper-parameter, those of a preset included; `trainable`.
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
        """Return plain values for a YAML file that is read as the same again."""
        return self.model_dump(mode="json")


Configured = TypeVar("Configured", bound=Configuration)


def read(
    model: type[Configured], content: Mapping[str, object], file: Path, overridden: frozenset[str]
) -> tuple[Configured, list[Problem]]:
    """Return the content of a file, with defaults in place of everything that is wrong, and the problems."""
    draft, problems = parse(model, content, file=file, overridden=overridden)
    required = {key: "placeholder" for key, field in model.model_fields.items() if field.is_required()}
    good, wrong = dict(content), problems
    while draft is None:
        good = _without_wrong(model, good, wrong)
        draft, wrong = parse(model, {**required, **good}, file=file, overridden=overridden)
    return draft, problems


def configure(draft: Configured, problems: Sequence[Problem]) -> tuple[Configured | None, list[Problem]]:
    """Return what `read` returned with a complete task and checked names and settings, and further problems.

    It is None if the trainable or the method is not known: everything else depends on them.
    """
    custom = draft.custom_trainable
    found = list(check_task(draft.task, draft.file.parent, custom_trainable=custom))
    task = complete_task(draft.task, draft.file.parent, custom_trainable=custom)
    draft, of_names = _with_names(draft.model_copy(update={"task": task}))
    found += [each for each in of_names if each.key not in {other.key for other in problems}]
    if {each.key for each in (*problems, *found)} & {"trainable", "method", "method.name"}:
        return None, found
    of_settings = list(check_configuration(draft))
    return _with_settings(draft, of_settings), found + of_settings


def check_configuration(draft: Configuration) -> Iterator[Problem]:
    """Yield the problems of the settings of base optimizer and method, whose names are known."""
    parameters = draft.parameters
    yield from check_settings(draft.base_optimizer, parameters.of_base, "base_optimizer")
    accepts = draft.accepts_unknown_settings
    yield from check_settings(
        draft.method, parameters.entry.hyperparameters, "method", accepts_unknown_settings=accepts
    )


def _with_names(draft: Configured) -> tuple[Configured, list[Problem]]:
    """Return it with the default names, also in place of a base optimizer that is not known."""
    custom = draft.custom_trainable
    base, method = draft.base_optimizer, draft.method
    base = base if base.name else replace(base, name="sgd")
    if not method.name:  # a custom trainable may not have vSAM's parameters
        method = replace(method, name=CUSTOM_METHOD if custom else "vsam")
    of_base = list(check_name(base, "base_optimizer", BASE_OPTIMIZERS, custom=False))
    of_method = list(check_name(method, "method", METHODS, any_name=custom))
    base = NamedSettings("sgd", {}) if of_base else base
    return draft.model_copy(update={"base_optimizer": base, "method": method}), of_base + of_method


def _with_settings(draft: Configured, problems: Sequence[Problem]) -> Configured:
    """Return it without the settings that a problem is about, numbers as the type of their default."""
    known = draft.parameters.known
    sections = {
        key: replace(section, settings=typed(without(section.settings, key, problems), known))
        for key, section in (("base_optimizer", draft.base_optimizer), ("method", draft.method))
    }
    return draft.model_copy(update=sections)


def _without_wrong(
    model: type[Configuration], content: Mapping[str, object], problems: Sequence[Problem]
) -> dict[str, object]:
    """Return the content of a file without the keys that problems are about, or without their sections."""
    good = dict(content)
    for each in problems:
        section, _, rest = each.key.replace("[", ".").partition(".")
        settings, name = good.get(section), rest.partition(".")[0]
        field = model.model_fields.get(section)
        if field and kinds_of(field.annotation) and isinstance(settings, dict) and name in settings:
            good[section] = {key: value for key, value in settings.items() if key != name}
        else:
            good.pop(section, None)
    return good
