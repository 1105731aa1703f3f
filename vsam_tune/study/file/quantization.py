"""`task.quantization`: with how many bits a trial computes."""

from typing import Literal

from pydantic import Field, field_validator

from search_spaces.schema import Strict, broken

_MOST_BITS, _FULL_PRECISION = 16, 32
_BITS = "write 2 to 16, or 32 for full precision"


class Quantization(Strict):
    """`task.quantization`, training with learned step sizes (LSQ).

    Attributes:
        weight_bits: of weights: 2 to 16, or 32, which leaves them as they are.
        activation_bits: of the inputs of layers, likewise.
        first_last_bits: of weight and input of the first and the last layer, likewise.
        activation_grad_scale: what the gradient of an input's step is scaled by: the values of one sample, or of the
            whole batch.
    """

    weight_bits: int = Field(4, ge=2, le=_FULL_PRECISION, description=_BITS)
    activation_bits: int = Field(4, ge=2, le=_FULL_PRECISION, description=_BITS)
    first_last_bits: int = Field(8, ge=2, le=_FULL_PRECISION, description=_BITS)
    activation_grad_scale: Literal["features", "numel"] = Field("features", description="write features or numel")

    @field_validator("weight_bits", "activation_bits", "first_last_bits")
    @classmethod
    def _check_bits(cls, bits: int) -> int:
        if _MOST_BITS < bits < _FULL_PRECISION:
            raise broken("", f"must be at most {_MOST_BITS}, or {_FULL_PRECISION}", _BITS)
        return bits
