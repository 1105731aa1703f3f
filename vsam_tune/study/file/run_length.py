"""The settings that count iterations, compared with the length of a run, which the trainable's `check` tells."""

from collections.abc import Iterator, Mapping

from search_spaces.schema import CategoricalDimension, Dimension
from vsam_tune.registry.iterations import iterations_of, with_unit
from vsam_tune.registry.never_adapted import first_adaptation, fitted
from vsam_tune.study.file.configuration import Configuration
from vsam_tune.study.file.problems import Problem

_ADAPTIVE = {"warmup_iterations", "interval"}


def check_run_length(
    configuration: Configuration, space: Mapping[str, Dimension], facts: Mapping[str, float]
) -> Iterator[Problem]:
    """Yield a problem for each setting that the run is too short for, and for a sampling rate that cannot adapt.

    Args:
        configuration: of the trials.
        space: what they search; empty for a configuration.
        facts: the answer of the trainable's `check`; without `iterations_per_epoch`, nothing is known.
    """
    if "iterations_per_epoch" not in facts:
        return
    run = _Run(configuration, space, int(facts["iterations_per_epoch"]))
    counted = configuration.parameters.counted
    for name in sorted(counted - _ADAPTIVE):
        yield from run.past_the_end(name)
    if counted >= _ADAPTIVE:
        yield from run.too_few_a_slice()
        yield from run.never_adapts()


class _Run:
    """The trials of a study, or the one of a configuration, and how many iterations each has."""

    def __init__(self, configuration: Configuration, space: Mapping[str, Dimension], iterations_per_epoch: int) -> None:
        self._configuration, self._space = configuration, space
        self._per_epoch = iterations_per_epoch
        self._iterations = iterations_per_epoch * configuration.epochs
        self._has = f"a trial has {self._iterations} iterations"

    def _key(self, name: str, end: str = "high") -> str:
        return (
            f"space.{name}.{end}" if name in self._space else f"{self._configuration.parameters.section(name)}.{name}"
        )

    def _extent(self, name: str) -> tuple[int, int]:
        """Return the smallest and the largest value that a trial can have, in iterations."""
        match self._space.get(name):
            case None:
                values = [self._configuration.values[name]]
            case CategoricalDimension(choices=choices):
                values = list(choices)
            case dimension:
                values = [dimension.low, dimension.high]
        counts = [self._in_iterations(value) for value in values]
        return min(counts), max(counts)

    def _in_iterations(self, value: object) -> int:
        value = with_unit(value)
        whole = {"iterations_per_epoch": self._per_epoch, "num_iterations": self._iterations}
        return iterations_of(value, **whole)  # type: ignore[arg-type] # the file's checks allow nothing else

    def past_the_end(self, name: str) -> Iterator[Problem]:
        most = self._extent(name)[1]
        if most > self._iterations:
            rule = f"{self._has}: above that it never takes effect"
            yield Problem(self._key(name), most, rule, f"at most {self._iterations}")

    def too_few_a_slice(self) -> Iterator[Problem]:
        least, slices = self._extent("interval")[0], self._extent("num_slices")[1]
        if least < 2 * slices:
            rule = f"{self._has}, so that it is {least}: must be >= 2 * num_slices = {2 * slices}"
            yield Problem(self._key("interval", "low"), None, rule, f"write {2 * slices}, or more")

    def never_adapts(self) -> Iterator[Problem]:
        (warmup, longest), (interval, largest) = self._extent("warmup_iterations"), self._extent("interval")
        first = first_adaptation(longest, largest)
        if first < self._iterations:
            return
        earliest = first_adaptation(warmup, interval)
        if not _ADAPTIVE & set(self._space):
            when = f"the sampling rate first adapts at iteration {first}"
        elif earliest >= self._iterations:
            when = f"no sampling rate adapts before iteration {earliest}"
        else:
            when = f"the sampling rate of some trials first adapts at iteration {first}"
        yield Problem(self._key("warmup_iterations"), longest, f"{self._has}, and {when}", self._fitted())

    def _fitted(self) -> str:
        """Return the fix of a rate that cannot adapt: values to paste into the file."""
        values = fitted(self._iterations, self._extent("num_slices")[1])
        if values is None:
            return "more epochs, or fewer num_slices"
        written: dict[str, list[str]] = {}
        for name, value in values.items():
            if name in self._space:
                high = max(value, self._iterations // (2 if name == "warmup_iterations" else 10))
                written.setdefault("space", []).append(f"{name}: {{type: int, low: {value}, high: {high}}}")
            else:
                written.setdefault(self._configuration.parameters.section(name), []).append(f"{name}: {value}")
        return "write " + " and ".join(f"{section}: {{{', '.join(entries)}}}" for section, entries in written.items())
