"""The trainable that a study file names: found by `module:name`, asked in a process of its own before a search."""

import logging
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from search_spaces.schema import CategoricalDimension
from vsam_tune.errors import InputError, problem
from vsam_tune.import_path import PACKAGES, search_current_folder
from vsam_tune.machine.child_process import child_process
from vsam_tune.registry.object_reference import resolve_object
from vsam_tune.study.scheduling.plan import Plan
from vsam_tune.trial import TrialConfig

_BUILT_BY_CHECK = (
    "trainables.classification:Classification",
    "trainables.timing:Timing",
)  # their `check` builds a trial


def resolve(trainable: str) -> type[Any]:
    """Return the trainable that `module:name` names, in an installed module or one of the current folder.

    It is a class there, or a function that `trainable_of` makes one of.

    Raises:
        InputError: if there is no such module or name, or it is neither a Ray class trainable nor a training function.
    """
    fix = "name a ray.tune.Trainable, or a function, in a module that is installed or in this folder"
    search_current_folder()  # as Ray's workers do
    package = trainable.partition(":")[0].partition(".")[0]
    if package in PACKAGES and Path(f"{package}.py").exists():
        fix = f"rename {package}.py, since vsam-tune has a package of this name; or {fix}"
    found = resolve_object(trainable, where="study", key="trainable", fix=fix)
    from ray.tune import Trainable  # noqa: PLC0415 - a second

    from vsam_tune.study.execution.training_function import trainable_of  # noqa: PLC0415 - imports ray.tune

    if not isinstance(found, type):
        return trainable_of(found, trainable)
    if not issubclass(found, Trainable):
        raise InputError(problem("study", "trainable", trainable, "is no ray.tune.Trainable", fix))
    return found


def preflight(plan: Plan, *, time_iterations: bool) -> dict[str, float]:
    """Ask the trainable's `check` about a trial at the first starting point, before anything is started.

    A parameter that this point omits and that has no default takes the low end of its range. A separate process asks,
    so that the driver never loads torch. With `time_iterations`, a custom trainable is also set up, and takes one step.

    Args:
        plan: names the trainable, and the trial.
        time_iterations: also measure iterations, or take one step; takes some seconds.

    Returns:
        The answer of `check`: for ours `train_images`, `iterations_per_epoch`, `parameters`, and the seconds of an
        iteration if they were asked for.

    Raises:
        InputError: as `check` raised it, or if there is no such trainable.
    """
    config = plan.trial_config(_first_params(plan), 0, folder="")
    with child_process() as pool:
        asked = pool.submit(_check, plan.trainable, config, time_iterations)
        resolve(plan.trainable)  # the driver imports Ray while the other process imports torch
        return asked.result()


def _first_params(plan: Plan) -> dict[str, Any]:
    params = dict(plan.enqueued[0]) if plan.enqueued else {}
    for name, dimension in plan.space.items():
        known = {**plan.fixed, **params}
        if name not in known and dimension.applies(known):
            params[name] = dimension.choices[0] if isinstance(dimension, CategoricalDimension) else dimension.low
    return params


def _check(trainable: str, config: TrialConfig, time_iterations: bool) -> dict[str, float]:  # noqa: FBT001 - pickled
    # As in the command: the process is a new one, and what it warns of, such as files left out, belongs to the user.
    logging.basicConfig(format="vsam-tune: %(message)s", level=logging.WARNING, stream=sys.stderr)
    check = getattr(resolve(trainable), "check", None)
    facts: dict[str, float] = check(config, time_iterations=time_iterations) if check else {}
    if time_iterations and trainable not in _BUILT_BY_CHECK:
        _take_one_step(trainable, config)
    return facts


def _take_one_step(trainable: str, config: TrialConfig) -> None:
    """Set up a trial as a worker does, in a temporary folder, and take one step.

    Raises:
        InputError: if the trainable raises.
    """
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / "trials" / "00000"
        trial.mkdir(parents=True)
        os.chdir(trial)  # as Ray does
        there = type(
            "Here", (resolve(trainable),), {"_setup_logdir": lambda self: setattr(self, "_logdir", str(trial))}
        )
        stage = "setup"
        try:
            worker = there(config={**config, "folder": str(trial)})
            stage = "the first step"
            worker.train()
            worker.stop()
        except InputError:
            raise
        except (Exception, SystemExit) as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            rule = f"{stage} fails: {type(error).__name__}: {error} ({Path(last.filename).name}, line {last.lineno})"
            raise InputError(problem("study", "trainable", trainable, rule, "correct the trainable")) from error
        finally:
            os.chdir("/")
