"""A dimension of a search space: a range, or choices, and the condition under which it exists."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

Value = bool | int | float | str  # of one parameter


def _check_value(value: object) -> object:
    finite = not isinstance(value, float) or math.isfinite(value)
    if not isinstance(value, Value) or not finite:
        raise broken("", "must be a finite number, a word, true or false", "put other values in quotes")
    return value


_Values = tuple[Annotated[Value, BeforeValidator(_check_value)], ...]
Condition = dict[str, Annotated[_Values, Field(strict=False, min_length=1)]]

LARGEST_COUNT = 2**31 - 1  # of epochs, trials, images; products of two fit into 64 bits
_LARGEST_INT = 2**53  # Optuna stores parameters as floats, which hold all integers up to it exactly

_LOW = "write the smallest value to try"
_HIGH = "write the largest value to try"


class Strict(BaseModel):
    """A part of a file that a user writes: typed, frozen, no unknown keys. Descriptions are fixes."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


def broken(key: str, rule: str, fix: str) -> PydanticCustomError:
    """Return an error that a validator raises where pydantic has no error of its own.

    Args:
        key: the key, within the model, that the rule is about; empty for the whole of it.
        rule: the condition that the value breaks.
        fix: what to write instead.
    """
    return PydanticCustomError("rule", "{rule}", {"key": key, "rule": rule, "fix": fix})


class _Conditional(Strict):
    """The part that all dimensions share.

    Attributes:
        when: by the name of another parameter, searched or fixed, its values with which this one exists; all
            of them have to hold. None for always.
    """

    when: Condition | None = Field(None, description="write {OTHER: [VALUES]}, or leave it out")

    def applies(self, values: Mapping[str, Any]) -> bool:
        """Return whether the parameter exists, given the values of others; an absent one never matches."""
        return all(
            name in values and any(same(values[name], wanted) for wanted in matches)
            for name, matches in (self.when or {}).items()
        )


class FloatDimension(_Conditional):
    """A real number in [low, high], drawn evenly, evenly on a log scale, or on a grid of `step` from low."""

    type: Literal["float"]
    low: float = Field(description=_LOW)
    high: float = Field(description=_HIGH)
    log: bool = Field(default=False, description="write true for a log scale, or leave it out")
    step: float | None = Field(None, gt=0, description="write a distance > 0, or leave it out")

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_range(self.low, self.high, self.step, log=self.log)
        if self.step is not None and not _on_grid(self.high, self.low, self.step):
            raise broken("step", "must divide high - low", f"write a part of {self.high - self.low:g}")
        return self

    def contains(self, value: object) -> bool:
        """Return whether the dimension can take this value; an int counts as the equal float."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        return self.step is None or _on_grid(value, self.low, self.step)


class IntDimension(_Conditional):
    """A whole number in [low, high], drawn evenly, evenly on a log scale, or on a grid of `step` from low."""

    type: Literal["int"]
    low: int = Field(description=_LOW)
    high: int = Field(description=_HIGH)
    log: bool = Field(default=False, description="write true for a log scale, or leave it out")
    step: int | None = Field(None, ge=1, description="write a distance >= 1, or leave it out")

    @model_validator(mode="after")
    def _check(self) -> Self:
        for end, value in (("low", self.low), ("high", self.high)):
            if abs(value) > _LARGEST_INT:
                raise broken(end, f"must be from -{_LARGEST_INT} to {_LARGEST_INT}", f"write {end} within these")
        _check_range(self.low, self.high, self.step, log=self.log)
        if self.step is not None and (self.high - self.low) % self.step:
            raise broken("step", "must divide high - low", f"write a divisor of {self.high - self.low}")
        return self

    def contains(self, value: object) -> bool:
        """Return whether the dimension can take this value; a float never."""
        if isinstance(value, bool) or not isinstance(value, int) or not self.low <= value <= self.high:
            return False
        return self.step is None or (value - self.low) % self.step == 0


class CategoricalDimension(_Conditional):
    """One of some values without an order."""

    type: Literal["categorical"]
    choices: _Values = Field(strict=False, description="write a list of two or more values")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.choices) < 2:
            raise broken("choices", "must have two or more values", "fix a single value instead of searching it")
        if any(same(a, b) for i, a in enumerate(self.choices) for b in self.choices[:i]):
            raise broken("choices", "must differ from each other", "remove the second one")
        if any(a == b for i, a in enumerate(self.choices) for b in self.choices[:i]):
            rule = "must differ from each other as numbers: Optuna stores true as 1, and false as 0"
            raise broken("choices", rule, 'remove one of the two, or write it as text, such as "true"')
        return self

    def contains(self, value: object) -> bool:
        """Return whether the value is one of the choices."""
        return any(same(value, choice) for choice in self.choices)


Dimension = FloatDimension | IntDimension | CategoricalDimension
DIMENSIONS: dict[str, type[Dimension]] = {
    "float": FloatDimension,
    "int": IntDimension,
    "categorical": CategoricalDimension,
}


def same(a: object, b: object) -> bool:
    """Return whether two values of a parameter are one: 1 and 1.0 are, 1 and true are not."""
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def _check_range(low: float, high: float, step: float | None, *, log: bool) -> None:
    if not low < high:
        raise broken("low", f"must be < high, {high:g}", "swap the two, or fix the parameter instead of searching it")
    if not math.isfinite(high - low):
        raise broken("low", "must be less far from high than the largest float", "write a narrower range")
    if log and not low > 0:
        raise broken("low", "must be > 0 on a log scale", "raise low, or leave log out")
    if log and step is not None:
        raise broken("step", "has no effect on a log scale", "leave step or log out")


def _on_grid(value: float, low: float, step: float) -> bool:
    steps = (value - low) / step
    return abs(steps - round(steps)) < 1e-8
