"""A plain function as a trainable: `train(config, report)`, or `train(config)` that yields or returns its reports.

Ray's own wrapper, `FunctionTrainable`, is not used. It needs Ray's storage for a set-up, so that `check` could not try
a function without Ray. Its functions report through a global of Ray, it does not wait until a function that is
stopped has ended, and it takes `config` alone.
"""

import inspect
import queue
import threading
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from ray.tune import Trainable
from typing_extensions import override

from vsam_tune.errors import InputError, problem
from vsam_tune.study.storage.learning_curve import read_curve

Reports = Generator[Any, None, Any]  # what it yields are reports; what it returns is the last one, or None

_FORMS = "write `def train(config, report)`, or `def train(config)` that yields or returns mappings"
_SECONDS_TO_STOP = 10.0  # choice: enough for a `finally` that closes files


class TrainingFunction(Trainable):
    """Runs a function; each report is a step. See `trainable_of`.

    Attributes:
        function: takes the configuration of a trial; and, where `takes_report`, a function to report with.
        object_path: its `module:name`, for messages.
        takes_report: whether it gets a second argument.
    """

    function: ClassVar[Callable[..., Any]]
    object_path: ClassVar[str]
    takes_report: ClassVar[bool]

    @override
    def setup(self, config: dict[str, Any]) -> None:
        self._folder = Path(config["folder"])
        self._folder.mkdir(parents=True, exist_ok=True)
        self._last: Mapping[str, Any] | None = None
        function = type(self).function
        self._reports = _in_a_thread(function, config) if self.takes_report else _here(function, config)

    @override
    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._reports.close()
        self.setup(new_config)
        return True

    @override
    def cleanup(self) -> None:
        self._reports.close()

    @override
    def step(self) -> dict[str, Any]:
        try:
            report = self._checked(next(self._reports))
        except StopIteration as end:
            return self._end(end.value)
        self._last = dict(report)
        return {**report, "done": bool(report.get("done")) or "diverged" in report}

    def _end(self, last: object) -> dict[str, Any]:
        """Return the last report of a function that has returned."""
        if last is not None:
            return {**self._checked(last), "done": True}
        if self._last is not None:
            return {**self._last, "done": True, "__duplicate__": True}  # so Ray does not pass it on a second time
        curve = read_curve(self._folder)  # it continued after its last report: all its epochs were done before
        if not curve:
            raise InputError(problem("study", "trainable", self.object_path, "ended without a report", _FORMS))
        return {**{name: value for name, value in curve[-1].items() if name != "time_ms"}, "done": True}

    def _checked(self, report: object) -> Mapping[str, Any]:
        """Return a report.

        Raises:
            InputError: if it is no mapping with text for keys.
        """
        if isinstance(report, Mapping) and all(isinstance(name, str) for name in report):
            return report
        what = "a mapping with other keys than text" if isinstance(report, Mapping) else f"a {type(report).__name__}"
        rule, fix = f"reports {what}", "report metrics by name, such as {'epoch': 1, 'error': 0.5}"
        raise InputError(problem("study", "trainable", self.object_path, rule, fix))


def trainable_of(function: Callable[..., Any], object_path: str) -> type[Trainable]:
    """Return the trainable that runs a function.

    Args:
        function: `train(config, report)`; or `train(config)`, which yields its reports, or returns the only one.
        object_path: its `module:name`.

    Raises:
        InputError: if it takes other arguments, or takes `report` and yields.
    """
    takes_report = _takes_report(function, object_path)
    if takes_report and inspect.isgeneratorfunction(function):
        rule = "takes a second argument, and yields: its reports are the ones or the others"
        raise InputError(problem("study", "trainable", object_path, rule, "remove `yield`, or the second argument"))
    name = object_path.rpartition(":")[2]
    attributes = {"function": staticmethod(function), "object_path": object_path, "takes_report": takes_report}
    return type(name, (TrainingFunction,), attributes)


def _takes_report(function: Callable[..., Any], object_path: str) -> bool:
    try:
        signature = inspect.signature(function)
    except ValueError:  # some functions in C have none
        return False
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    second = [each for each in signature.parameters.values() if each.kind in kinds][1:2]
    takes_report = any(each.name == "report" or each.default is inspect.Parameter.empty for each in second)
    try:
        signature.bind(*range(2 if takes_report else 1))
    except TypeError as error:
        rule = f"is no training function: {error}"
        raise InputError(problem("study", "trainable", object_path, rule, _FORMS)) from error
    return takes_report


def _here(function: Callable[..., Any], config: Mapping[str, Any]) -> Reports:
    """Call `function(config)`; yield what it yields, and return what it returns."""
    result = function(config)
    return (yield from result) if inspect.isgenerator(result) else result


class _StoppedError(BaseException):
    """Ends a function that reports, from within `report`: a handler of `Exception` in it must not catch this."""


def _in_a_thread(function: Callable[..., Any], config: Mapping[str, Any]) -> Reports:
    """Call `function(config, report)` in a thread that waits in `report`.

    Closing the generator raises an exception within `report`, and waits until the function has ended.

    Yields:
        Each report.

    Returns:
        What the function returns.

    Raises:
        BaseException: as the function raises it.
        RuntimeError: at closing, if the function does not end.
    """
    events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    advance, stopped = threading.Semaphore(0), threading.Event()

    def report(metrics: object = {}, /, **more: object) -> None:
        if not stopped.is_set():
            events.put(("reports", {**metrics, **more} if isinstance(metrics, Mapping) else metrics))
            advance.acquire()
        if stopped.is_set():
            raise _StoppedError

    def run() -> None:
        try:
            events.put(("returns", function(config, report)))
        except BaseException as error:  # noqa: BLE001 - raised again in the other thread
            events.put(("raises", error))

    thread = threading.Thread(target=run, name="train", daemon=True)
    thread.start()
    try:
        while True:
            event, value = events.get()
            if event == "returns":
                return value
            if event == "raises":
                raise value
            yield value
            advance.release()
    finally:
        stopped.set()
        advance.release()
        thread.join(_SECONDS_TO_STOP)
        if thread.is_alive():
            raise RuntimeError("the training function did not end when it was stopped")
