"""A light trainable whose final trainings are tested: what the baselines of a study, and its picks, ask for."""

from typing import Any

from typing_extensions import override

from tests.support.trainables.quadratic import Quadratic


class Replicate(Quadratic):
    """Searched as `Quadratic`. A final training reports `ais`, and a `test_accuracy` at its end.

    It is 90 - x**2 + seed / 2**32; `x` is read from `method`, where it is in a search as well as in a row.
    """

    @override
    def _report(self) -> dict[str, Any]:
        if not self._settings["final"]:
            return super()._report()
        point = {"epoch": self._epoch, "iteration": 10 * self._epoch, "ais": 1000.0 * self._epoch}
        if self._meets("diverge"):
            return {**point, "diverged": 10 * self._epoch, "done": True}
        if self._epoch < self._settings["task"]["epochs"]:
            return {**point, "done": False}
        accuracy = 90 - self._settings["method"]["x"] ** 2 + self._settings["seed"] / 2**32
        return {**point, "test_accuracy": accuracy, "done": True}
