"""What has to hold between two settings of a method, over all values that either may take."""

from collections.abc import Mapping

from search_spaces.schema import CategoricalDimension, Dimension
from vsam_tune.study.file.configuration import Configuration
from vsam_tune.study.file.problems import Problems


class Limits:
    """The values that settings may take in one study.

    Args:
        configuration: what trains, with the settings that the file fixes.
        space: what is searched.
    """

    def __init__(self, configuration: Configuration, space: Mapping[str, Dimension]) -> None:
        self._space = space
        self._values = configuration.values
        self._parameters = configuration.parameters

    def check(self, problems: Problems) -> None:
        """Add each relation that some of the values break."""
        names = self._parameters.known
        if "window" in names:
            self._check_window(problems)
            self._check_rates(problems)
        if "nesterov" in names and any(self._possible("nesterov")) and min(self._possible("momentum")) == 0:
            rule = f"needs {self._key('momentum')} > 0"
            problems.add(self._key("nesterov"), None, rule, "raise momentum, or leave nesterov out")

    def _check_window(self, problems: Problems) -> None:
        smallest, slices = min(self._possible("window")), max(self._possible("num_slices"))
        if smallest < 2 * slices:
            other = self._key("num_slices")
            rule = f"must be >= 2 * {other} for all values of both: {smallest:g} < 2 * {slices:g}"
            fix = f"keep num_slices <= {smallest // 2:g}, or window >= {2 * slices:g}"
            problems.add(self._key("window"), None, rule, fix)

    def _check_rates(self, problems: Problems) -> None:
        initial, largest = max(self._possible("initial_rate")), min(self._possible("max_rate"))
        if initial > largest:
            other = self._key("max_rate")
            rule = f"must be <= {other} for all values of both: {initial:g} > {largest:g}"
            fix = f"keep initial_rate <= {largest:g}, or max_rate >= {initial:g}"
            problems.add(self._key("initial_rate"), None, rule, fix)

    def _possible(self, name: str) -> tuple[float, ...]:
        """Return the values of a setting that are numbers; of a range, its ends."""
        dimension = self._space.get(name)
        values: tuple[object, ...]
        if dimension is None:
            values = (self._values[name],)
        elif isinstance(dimension, CategoricalDimension):
            values = dimension.choices
        else:
            values = (dimension.low, dimension.high)
        return tuple(value for value in values if isinstance(value, int | float))

    def _key(self, name: str) -> str:
        return f"{'space' if name in self._space else self._parameters.section(name)}.{name}"
