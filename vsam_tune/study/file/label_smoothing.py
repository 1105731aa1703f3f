"""`task.label_smoothing`: how much of the target goes to other classes than the label's, and to which."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from search_spaces.schema import Strict, broken

_NUMBER = "write a number such as 0.1"
_FORM = "write 0.1, or {epsilon: 0.1, over: all}"


class LabelSmoothing(Strict):
    """`task.label_smoothing`, soft targets in the training loss.

    Attributes:
        epsilon: the part of the target that is spread.
        over: the classes that it is spread over: those other than the label's, as davda54/sam and vSAM's authors do, or
            all, as torch does.
    """

    epsilon: float = Field(ge=0, lt=1, description=_NUMBER)
    over: Literal["others", "all"] = Field("others", description="write others or all")


def _read(value: object) -> object:
    """Return a number as the mapping that it is short for."""
    if value is None or isinstance(value, dict | LabelSmoothing):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise broken("", "must be a number or a mapping", _FORM)
    if not 0 <= value < 1:
        raise broken("", "must be >= 0 and < 1", _NUMBER)
    return {"epsilon": value}


# choice: a number alone means `over: others`, the form of this lineage, and not torch's
Smoothing = Annotated[LabelSmoothing | None, BeforeValidator(_read)]
