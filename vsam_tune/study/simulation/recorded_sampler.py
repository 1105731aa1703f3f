"""A sampler whose suggestions are snapped to recorded trials, each taken once."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from typing_extensions import override

from search_spaces.schema import CategoricalDimension, Dimension
from vsam_tune.study.scheduling.sampler import distribution_of
from vsam_tune.study.simulation.recording import Recording


class RecordedSampler(BaseSampler):
    """Asks another sampler, and suggests the nearest recorded trial that was not suggested yet.

    A random sampler is not asked: the nearest trial to a random point would not be a random trial. Distances are
    Euclidean over the unit cube, on the scale of each dimension; two choices differ by 1.

    Args:
        inner: that is asked.
        recording: whose trials are suggested.
        seed: of the order of a random sampler.

    Attributes:
        taken: the recorded trial of each trial, by number.
    """

    def __init__(self, inner: BaseSampler, recording: Recording, seed: int) -> None:
        self._inner, self._recording = inner, recording
        self._distributions = {name: distribution_of(each) for name, each in recording.space.items()}
        self._units = np.array([_unit(recording.space, params) for params in recording.params])
        self._left = np.ones(recording.num_trials, dtype=np.bool_)
        self._random = np.random.default_rng(seed)
        self.taken: dict[int, int] = {}

    @override
    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return dict(self._distributions)

    @override
    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        left = np.flatnonzero(self._left)
        if isinstance(self._inner, RandomSampler):
            chosen = int(self._random.choice(left))
        else:
            wanted = _unit(self._recording.space, self._suggested(study, trial))
            distances = np.square(np.nan_to_num(self._units[left] - wanted, nan=1.0)).sum(axis=1)
            chosen = int(left[np.argmin(distances)])
        self._left[chosen] = False
        self.taken[trial.number] = chosen
        return dict(self._recording.params[chosen])

    def _suggested(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        space = self._inner.infer_relative_search_space(study, trial)
        params = self._inner.sample_relative(study, trial, space)
        for name, dimension in self._recording.space.items():
            if name not in params and dimension.applies(params):
                params[name] = self._inner.sample_independent(study, trial, name, self._distributions[name])
        return params

    @override
    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._recording.params[self.taken[trial.number]][param_name]

    @override
    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._inner.before_trial(study, trial)

    @override
    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self._inner.after_trial(study, trial, state, values)


def _unit(space: Mapping[str, Dimension], params: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return a point of the unit cube; a choice has a coordinate of its own for each value, nan where there is none."""
    point: list[float] = []
    for name, dimension in space.items():
        if isinstance(dimension, CategoricalDimension):
            there = [float(name in params and params[name] == choice) for choice in dimension.choices]
            point += [value / math.sqrt(2) for value in there]
        elif name not in params:
            point.append(math.nan)
        else:
            scale = math.log if dimension.log else float
            low, high = scale(dimension.low), scale(dimension.high)
            point.append((scale(params[name]) - low) / (high - low))
    return np.array(point)
