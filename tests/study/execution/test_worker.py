"""The class around a trainable: a trial is set up at its first step, however the trainable does it."""

from typing import Any

from ray.tune import Trainable
from typing_extensions import override

from vsam_tune.study.execution.worker import worker_class


class ResetsBySetup(Trainable):
    """The usual way to write `reset_config`."""

    @override
    def setup(self, config: dict[str, Any]) -> None:
        self.x, self.steps = config["x"], 0

    @override
    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True

    @override
    def step(self) -> dict[str, Any]:
        self.steps += 1
        return {"x": self.x, "steps": self.steps}


class SetsUpByReset(ResetsBySetup):
    """The other way round."""

    @override
    def setup(self, config: dict[str, Any]) -> None:
        self.reset_config(config)

    @override
    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.x, self.steps = new_config["x"], 0
        return True


def test_setup_and_reset_config_may_call_each_other() -> None:
    for trainable in (ResetsBySetup, SetsUpByReset):
        worker: Any = worker_class(trainable)(config={"x": 1})
        assert [worker.step(), worker.step()] == [{"x": 1, "steps": 1}, {"x": 1, "steps": 2}]
        for x in (2, 3):
            assert worker.reset_config({"x": x})
            assert worker.step() == {"x": x, "steps": 1}
