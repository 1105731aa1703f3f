"""A light trainable of several replicates: what a race decides on."""

from typing import Any

from typing_extensions import override

from tests.support.trainables.quadratic import Quadratic


class Replicated(Quadratic):
    """Reports as `Quadratic`, over the epochs of all its replicates, and says where one ends."""

    @override
    def _begin(self, config: dict[str, Any]) -> None:
        self._of_one = config["task"]["epochs"]
        super()._begin({**config, "task": {**config["task"], "epochs": self._of_one * config["replicates"]}})

    @override
    def _report(self) -> dict[str, Any]:
        ended = self._epoch % self._of_one == 0
        return {**super()._report(), "replicates": self._epoch // self._of_one, "replicate_ended": ended}
