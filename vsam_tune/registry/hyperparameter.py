"""One setting of a method or of a base optimizer, as data."""

from dataclasses import dataclass

Value = float | int | str | bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Hyperparameter:
    """One setting.

    Attributes:
        default: as in the signature of the optimizer (a contract test).
        meaning: its effect, with its unit.
        low: smallest allowed value; None for no bound.
        high: largest allowed value; None for no bound.
        positive: excludes 0 too, for a real number without a smallest value.
        choices: the allowed words, if the value is a word.
        source: origin of the default; "choice" if the paper leaves it open.
        iterations: whether it is a number of iterations, which a file may also give as `{fraction: x}` of the run or as
            `{epochs: n}`, and a space as a range of fractions.
        fraction: the default of a study, as a fraction of the run; None where it is `default` too.
    """

    default: Value
    meaning: str
    low: float | None = None
    high: float | None = None
    positive: bool = False
    choices: tuple[str, ...] = ()
    source: str = "choice"
    iterations: bool = False
    fraction: float | None = None
