"""The settings of a method around a base optimizer: which exist, their defaults, and when they have an effect."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from search_spaces.loader import DefaultSpace, base_space, default_space
from search_spaces.schema import Dimension, Value, same
from vsam_tune.registry.base_optimizers import BASE_OPTIMIZERS
from vsam_tune.registry.hyperparameter import Hyperparameter
from vsam_tune.registry.iterations import with_unit
from vsam_tune.registry.methods import METHODS, Method

_CUSTOM = Method(optimizer="", gradient_evaluations=1.0, cost="", memory="", source="a custom method")


@dataclass(frozen=True, slots=True)
class NamedSettings:
    """A method, base optimizer or model: a name, and the settings that the file fixes.

    Attributes:
        name: a key of the registry, or the name of a custom method or model; empty where the file gives none.
        settings: by name; searched ones are not among them.
    """

    name: str
    settings: dict[str, JsonValue]

    def to_dict(self) -> dict[str, JsonValue]:
        """Return the mapping that a file would hold."""
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
        """The method's entry; one without hyper-parameters for a custom method."""
        return METHODS.get(self.method, _CUSTOM)

    @property
    def of_base(self) -> dict[str, Hyperparameter]:
        """The base optimizer's settings by name."""
        return BASE_OPTIMIZERS[self.base_optimizer].settings

    @property
    def known(self) -> dict[str, Hyperparameter]:
        """All settings by name, the method's first."""
        return {**self.entry.hyperparameters, **self.of_base}

    @property
    def counted(self) -> frozenset[str]:
        """The names of the settings that count iterations."""
        return frozenset(name for name, known in self.known.items() if known.iterations)

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
        """Return the section of the file that fixes a setting."""
        return self.at or ("base_optimizer" if name in self.of_base else "method")

    def split(self, settings: Mapping[str, JsonValue]) -> dict[str, NamedSettings]:
        """Return settings of both by section: `base_optimizer` and `method`."""
        base = {name: settings[name] for name in self.of_base if name in settings}
        method = {name: value for name, value in self.with_units(settings).items() if name not in base}
        return {
            "base_optimizer": NamedSettings(self.base_optimizer, base),
            "method": NamedSettings(self.method, method),
        }

    def defaults(self) -> dict[str, JsonValue]:
        """Return the default of each setting, including those that a preset fixes."""
        defaults = {
            name: known.default if known.fraction is None else with_unit(known.fraction)
            for name, known in self.known.items()
        }
        return {**defaults, **self.entry.fixed}

    def with_units(self, settings: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Return settings with each searched fraction of the run as a file gives it."""
        counted = self.counted
        return {name: with_unit(value) if name in counted else value for name, value in settings.items()}

    def complete(self, fixed: Mapping[str, JsonValue], params: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Return all settings of a trial: defaults, then the fixed ones, then the searched ones.

        A setting whose condition does not hold has no effect and gets its default, so that trials that train
        alike have the same settings.
        """
        defaults = self.defaults()
        values = {**defaults, **fixed, **self.with_units(params)}
        return {name: value if self.has_effect(name, values) else defaults[name] for name, value in values.items()}

    def has_effect(self, name: str, values: Mapping[str, JsonValue]) -> bool:
        """Return whether a setting has an effect, given the values of all settings."""
        dimension = self.ranges.get(name)
        return dimension is None or dimension.applies(values)


def can_exist(dimension: Dimension, space: Mapping[str, Dimension], values: Mapping[str, JsonValue]) -> bool:
    """Return whether all parts of a parameter's condition can hold, given the values of all that is not searched."""
    return all(can_be(name, matches, space, values) for name, matches in (dimension.when or {}).items())


def can_be(
    name: str, matches: tuple[Value, ...], space: Mapping[str, Dimension], values: Mapping[str, JsonValue]
) -> bool:
    """Return whether a parameter, whether searched or fixed, can have one of the values in `matches`."""
    if name in space:
        return any(space[name].contains(wanted) for wanted in matches)
    return name in values and any(same(values[name], wanted) for wanted in matches)
