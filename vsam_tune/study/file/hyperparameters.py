"""What of a method around a base optimizer can be set or searched, and what it is where nothing is said."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from search_spaces.loader import DefaultSpace, base_space, default_space
from search_spaces.schema import Dimension, Value, same
from vsam_tune.registry.base_optimizers import BASE_OPTIMIZERS
from vsam_tune.registry.hyperparameter import Hyperparameter
from vsam_tune.registry.methods import METHODS, Method

_OF_ONES_OWN = Method(optimizer="", gradient_evaluations=1.0, cost="", memory="", source="a trainable of one's own")


@dataclass(frozen=True, slots=True)
class NamedSettings:
    """`method:` or `base_optimizer:`, a name and the settings that are fixed.

    Attributes:
        name: a key of METHODS or BASE_OPTIMIZERS; a method of a trainable of one's own may have another.
        settings: by name; searched ones are not among them.
    """

    name: str
    settings: dict[str, JsonValue]

    def written(self) -> dict[str, JsonValue]:
        """Return it as it stands in a file."""
        return {"name": self.name, **self.settings}


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of one method around one base optimizer.

    Attributes:
        method: its name.
        base_optimizer: its name.
        at: the key under which a file has the settings of both; empty where each has a section.
    """

    method: str
    base_optimizer: str
    at: str = ""

    @property
    def entry(self) -> Method:
        """The method's entry; one without hyper-parameters for a method of one's own."""
        return METHODS.get(self.method, _OF_ONES_OWN)

    @property
    def of_base(self) -> dict[str, Hyperparameter]:
        """The base optimizer's settings by name."""
        return BASE_OPTIMIZERS[self.base_optimizer].settings

    @property
    def known(self) -> dict[str, Hyperparameter]:
        """All settings by name, the method's first."""
        return {**self.entry.hyperparameters, **self.of_base}

    @property
    def space(self) -> DefaultSpace:
        """The default space."""
        if self.method in METHODS:
            return default_space(self.method, self.base_optimizer)
        return DefaultSpace({}, base_space(self.base_optimizer))

    @property
    def ranges(self) -> dict[str, Dimension]:
        """The default range of each parameter that has one."""
        return {**self.space.searched, **self.space.optional}

    def section(self, name: str) -> str:
        """Return the section of the file where a setting is fixed."""
        return self.at or ("base_optimizer" if name in self.of_base else "method")

    def defaults(self) -> dict[str, JsonValue]:
        """Return the value of each setting where a file says nothing, a preset's own included."""
        return {**{name: known.default for name, known in self.known.items()}, **self.entry.fixed}

    def complete(self, fixed: Mapping[str, JsonValue], params: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Return all settings of a trial: defaults, then what the file fixes, then what was searched.

        A setting whose condition does not hold has no effect and gets its default, so that trials that train
        alike have the same settings.
        """
        defaults = self.defaults()
        values = {**defaults, **fixed, **params}
        return {name: value if self.has_effect(name, values) else defaults[name] for name, value in values.items()}

    def has_effect(self, name: str, values: Mapping[str, JsonValue]) -> bool:
        """Return whether a setting does anything beside these values of all settings."""
        dimension = self.ranges.get(name)
        return dimension is None or dimension.applies(values)


def can_exist(dimension: Dimension, space: Mapping[str, Dimension], values: Mapping[str, JsonValue]) -> bool:
    """Return whether all parts of a parameter's condition can hold.

    Args:
        dimension: of the parameter.
        space: what is searched.
        values: of everything else.
    """
    return all(can_be(name, matches, space, values) for name, matches in (dimension.when or {}).items())


def can_be(
    name: str, matches: tuple[Value, ...], space: Mapping[str, Dimension], values: Mapping[str, JsonValue]
) -> bool:
    """Return whether a parameter can have one of some values.

    Args:
        name: of the parameter, searched, fixed or unknown.
        matches: the values.
        space: what is searched.
        values: of everything else.
    """
    if name in space:
        return any(space[name].contains(wanted) for wanted in matches)
    return name in values and any(same(values[name], wanted) for wanted in matches)
