"""Optuna's samplers, as the `sampler:` section of a study file sets them."""

import warnings
from collections.abc import Mapping, Sequence

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, BruteForceSampler, NSGAIISampler, QMCSampler, RandomSampler, TPESampler
from optuna.study import Study as OptunaStudy
from optuna.trial import FrozenTrial, TrialState
from typing_extensions import override

from search_spaces.schema import Dimension
from vsam_tune.study.file.sections import Grid, Nsga2, RandomSearch, Sobol, Tpe
from vsam_tune.study.scheduling.learning_from_rungs import LearningFromRungs

Space = Mapping[str, Dimension]


def tpe(section: Tpe, seed: int, _: Space) -> BaseSampler:
    """Return the multi-objective TPE sampler; it learns from stopped trials, unless the section says otherwise."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # of `group`, which is wanted
        sampler = TPESampler(
            seed=seed,
            n_startup_trials=section.startup_trials,
            multivariate=True,  # off by default for several objectives
            group=True,  # for spaces with conditions
            constant_liar=True,  # running trials count as bad, so that workers do not all try the same
        )
    return sampler if section.learn_from == "final" else LearningFromRungs(sampler)


def random_search(_: RandomSearch, seed: int, __: Space) -> RandomSampler:
    """Return the sampler that draws every value independently."""
    return RandomSampler(seed=seed)


def nsga2(section: Nsga2, seed: int, _: Space) -> NSGAIISampler:
    """Return the evolutionary sampler."""
    return NSGAIISampler(seed=seed, population_size=section.population_size)


def sobol(section: Sobol, _: int, space: Space) -> BaseSampler:
    """Return the sampler of a scrambled Sobol' sequence, which a restart continues: its seed never changes."""
    return _SobolSampler(section.seed, space)


def grid(_: Grid, seed: int, __: Space) -> BaseSampler:
    """Return the sampler that tries every point of a grid once, in random order."""
    return _GridSampler(seed)


def distribution_of(dimension: Dimension) -> BaseDistribution:
    """Return a dimension as Optuna has it."""
    match dimension.type:
        case "float":
            return FloatDistribution(dimension.low, dimension.high, log=dimension.log, step=dimension.step)
        case "int":
            return IntDistribution(dimension.low, dimension.high, log=dimension.log, step=dimension.step or 1)
        case "categorical":
            return CategoricalDistribution(dimension.choices)


class _SobolSampler(QMCSampler):
    """Has a coordinate of the sequence for each dimension from the first trial on, also where a condition fails.

    Optuna's has those of the trial that completed first, draws all others at random, and warns of each.
    """

    def __init__(self, seed: int, space: Space) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            super().__init__(qmc_type="sobol", scramble=True, seed=seed, warn_independent_sampling=False)
        self._distributions = {name: distribution_of(dimension) for name, dimension in sorted(space.items())}

    @override
    def infer_relative_search_space(self, study: OptunaStudy, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return dict(self._distributions)


class _GridSampler(BruteForceSampler):
    """Does not end the study when the grid is exhausted: Optuna can do that only inside its own loop.

    `GridSampler` of Optuna knows no conditions, and refuses starting points.
    """

    def __init__(self, seed: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            super().__init__(seed=seed)

    @override
    def after_trial(
        self, study: OptunaStudy, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        pass
