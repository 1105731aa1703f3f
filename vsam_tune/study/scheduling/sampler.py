"""From the `sampler:` of a study file to Optuna's."""

import warnings

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler

from vsam_tune.study.file.sections import Nsga2, RandomSearch, Sampler, Tpe


def build_sampler(section: Sampler, *, trials_so_far: int) -> BaseSampler:
    """Return the sampler.

    Args:
        section: its kind, seed and settings.
        trials_so_far: added to the seed, so that a restarted driver does not draw the same numbers again.
    """
    seed = section.seed + trials_so_far
    match section:
        case Tpe():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)  # of `group`, chosen with open eyes
                return TPESampler(
                    seed=seed,
                    n_startup_trials=section.startup_trials,
                    multivariate=True,  # off by default for several objectives
                    group=True,  # for spaces with conditions
                    constant_liar=True,  # running trials count as bad, so that workers do not all try the same
                )
        case Nsga2():
            return NSGAIISampler(seed=seed, population_size=section.population_size)
        case RandomSearch():
            return RandomSampler(seed=seed)
