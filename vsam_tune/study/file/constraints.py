"""The constraints between two settings of a method, over all values that either may take."""

import math
from collections.abc import Iterator, Mapping

from search_spaces.schema import CategoricalDimension, Dimension
from vsam_tune.study.file.configuration import Configuration
from vsam_tune.study.file.problems import Problem


def check_constraints(configuration: Configuration, space: Mapping[str, Dimension]) -> Iterator[Problem]:
    """Yield a problem for each constraint that some of the possible values break."""
    parameters, values = configuration.parameters, configuration.values

    def possible(name: str) -> tuple[float, ...]:
        """Return the values of a setting that are numbers; of a range, its ends."""
        match space.get(name):
            case None:
                found: tuple[object, ...] = (values[name],)
            case CategoricalDimension(choices=choices):
                found = choices
            case dimension:
                found = (dimension.low, dimension.high)
        return tuple(value for value in found if isinstance(value, int | float))

    def key(name: str) -> str:
        return f"{'space' if name in space else parameters.section(name)}.{name}"

    if "num_slices" in parameters.known:
        # an interval that is a part of the run has no number yet: `check_run_length` compares it
        interval, slices = min(possible("interval"), default=math.inf), max(possible("num_slices"))
        if interval < 2 * slices:
            rule = f"must be >= 2 * {key('num_slices')} for all values of both: {interval:g} < 2 * {slices:g}"
            fix = f"keep num_slices <= {interval // 2:g}, or interval >= {2 * slices:g}"
            yield Problem(key("interval"), None, rule, fix)
    if "nesterov" in parameters.known and any(possible("nesterov")) and min(possible("momentum")) == 0:
        yield Problem(key("nesterov"), None, f"requires {key('momentum')} > 0", "raise momentum, or leave nesterov out")
