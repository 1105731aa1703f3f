"""A light trainable whose reports are of every form that metrics may have, and hold much that is none."""

from typing import Any

import numpy as np
from typing_extensions import override

from tests.support.trainables.quadratic import Quadratic


class UnusualReports(Quadratic):
    """Reports `loss` as an array without dimensions, `cost` within a mapping, and values that are no metrics."""

    @override
    def _report(self) -> dict[str, Any]:
        point = super()._report()
        no_metrics = {"words": "no", "flag": True, "huge": 10**400, "row": np.ones(1), "complex": 1j}
        nested = {"cost": np.float32(point.pop("cost")), "deep": {"huge": -(10**400), "three": np.int64(3)}}
        return {**point, "loss": np.array(point["loss"]), "val": nested, "nan": float("nan"), **no_metrics}
