"""Optuna's samplers, as the `sampler:` section of a study file sets them."""

import warnings

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler

from vsam_tune.study.file.sections import Nsga2, RandomSearch, Tpe
from vsam_tune.study.scheduling.learning_from_rungs import LearningFromRungs


def tpe(section: Tpe, seed: int) -> BaseSampler:
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


def random_search(_: RandomSearch, seed: int) -> RandomSampler:
    """Return the sampler that draws every value independently."""
    return RandomSampler(seed=seed)


def nsga2(section: Nsga2, seed: int) -> NSGAIISampler:
    """Return the evolutionary sampler."""
    return NSGAIISampler(seed=seed, population_size=section.population_size)
