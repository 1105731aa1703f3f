"""`task.quantization`: the bits that a trial computes with."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from search_spaces.schema import Strict, broken

_MOST_BITS, _FULL_PRECISION = 16, 32
_FIX = "write 2 to 16, or 32 for full precision"


def _check_bits(bits: int) -> int:
    if _MOST_BITS < bits < _FULL_PRECISION:
        raise broken("", f"must be at most {_MOST_BITS}, or {_FULL_PRECISION}", _FIX)
    return bits


_Bits = Annotated[int, Field(ge=2, le=_FULL_PRECISION), AfterValidator(_check_bits)]


class Quantization(Strict):
    """`task.quantization`, training with learned step sizes (LSQ).

    Attributes:
        weight_bits: of weights: 2 to 16, or 32, which leaves them as they are.
        activation_bits: of the inputs of layers, in the same range.
        first_last_bits: of weight and input of the first and the last layer, in the same range.
        activation_grad_scale: the values that the scale of the gradient of an input's step counts: those of one
            sample, or of the whole batch.
    """

    weight_bits: _Bits = Field(4, description=_FIX)
    activation_bits: _Bits = Field(4, description=_FIX)
    first_last_bits: _Bits = Field(8, description=_FIX)
    activation_grad_scale: Literal["features", "numel"] = Field("features", description="write features or numel")
