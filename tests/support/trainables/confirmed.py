"""A light trainable that can be confirmed: its loss depends on its seed a little, and it is tested on request."""

from typing import Any

from typing_extensions import override

from tests.support.trainables.quadratic import Quadratic


class Confirmed(Quadratic):
    """Reports what `Quadratic` does, with seed / 2**32 added to its `loss`; with `test` a `test_accuracy` at its end.

    `x` is read from `method`, where it is in a search as well as in a row of a confirmation.
    """

    @override
    def _report(self) -> dict[str, Any]:
        point = {"epoch": self._epoch, "iteration": 10 * self._epoch}
        if self._meets("diverge"):
            return {**point, "diverged": 10 * self._epoch, "done": True}
        x, luck = self._settings["method"]["x"], self._settings["seed"] / 2**32
        point |= {"loss": (x - 1) ** 2 + luck, "cost": (x + 1) ** 2}
        done = self._epoch == self._settings["task"]["epochs"]
        tested = {"test_accuracy": 90 - x**2 + luck} if done and self._settings.get("test") else {}
        return {**point, **tested, "done": done}
