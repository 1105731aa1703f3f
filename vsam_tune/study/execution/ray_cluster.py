"""Ray clusters: start one quietly and leave no process behind, or connect to one."""

import gc
import json
import logging
import math
import os
import re
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any

import psutil
from typing_extensions import override

from vsam_tune.atomic_file import write_text
from vsam_tune.errors import InputError, problem
from vsam_tune.import_path import ROOT
from vsam_tune.machine.hardware import cores
from vsam_tune.study.execution.ray_address import find_cluster, no_cluster
from vsam_tune.study.execution.ray_folder import make_ray_folder, remove_ray_folder
from vsam_tune.study.file.sections import Resources

logger = logging.getLogger(__name__)

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # Tune's own loggers double the cost of a trial
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a trial that diverged reports no objective; our searcher sees to it
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # `vsam_tune.interruption` handles it
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # our trial scheduler names them
    "TUNE_MAX_PENDING_TRIALS_PG": "1000000",  # our searcher suggests no more than the workers need
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
_OBJECT_STORE_BYTES = 128 * 2**20  # results are small; Ray's default takes a third of the memory
_SILENT: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
_PROCESSES = "ray_processes.json"
_LARGEST_PID = 2**31 - 1
_LARGEST_EXCESS = 16  # choice: more trials on a core are a mistake, and Ray hangs at millions
_STARTS = 2  # Ray gives up after 30 seconds, which a busy machine may need


@contextmanager
def connect(address: str) -> Iterator[dict[str, float]]:
    """Connect to an existing cluster for the time of the block.

    Yields:
        Its resources, such as `CPU` and `GPU`.

    Raises:
        InputError: if there is no cluster at the address.
    """
    found = find_cluster(address)
    ray = _quiet_ray()
    try:
        ray.init(address=found, job_config=_job_config(), **_SILENT)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(no_cluster(address, " ".join(str(error).split()))) from error
    try:
        with redirect_stdout(sys.stderr):  # Ray reports on its workers there, and stdout is data
            yield ray.cluster_resources()
    finally:
        _shut_down(ray)


@contextmanager
def start_local(folder: Path, *, cpus: float) -> Iterator[dict[str, float]]:
    """Start a cluster on this machine for the time of the block.

    Args:
        folder: the study's, which remembers the cluster's processes for the next start.
        cpus: at least so many are offered, even where the machine has fewer cores.

    Yields:
        Its resources, such as `CPU` and `GPU`.
    """
    end_remains(folder)
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # else Ray writes one to the home folder
    ray = _quiet_ray()
    offered = num_offered(cpus)
    own_folder = make_ray_folder()
    try:
        _start(ray, own_folder, offered)
        _remember(folder, own_folder)
        with redirect_stdout(sys.stderr):  # as above
            yield ray.cluster_resources()
    finally:
        _shut_down(ray)
        remove_ray_folder(own_folder)
        with suppress(OSError):
            (folder / _PROCESSES).unlink()


def _start(ray: Any, folder: Path, cpus: int) -> None:  # noqa: ANN401 - the module
    """Start Ray, once more where it did not start within Ray's own limit.

    Raises:
        InputError: if it does not start.
    """
    before = set(psutil.Process().children(recursive=True))
    for attempt in range(_STARTS):
        try:
            ray.init(
                address="local",  # without it Ray would join whatever cluster a file of a former one names
                num_cpus=cpus,
                object_store_memory=_OBJECT_STORE_BYTES,
                include_dashboard=False,
                _temp_dir=str(folder),
                job_config=_job_config(),
                **_SILENT,
            )
        except Exception as error:  # Ray raises a plain one
            ray.shutdown()
            for process in set(psutil.Process().children(recursive=True)) - before:
                with suppress(psutil.Error):
                    process.kill()
            reason = " ".join(str(error).split())
            if attempt == _STARTS - 1:
                fix = "repeat the command when this machine is less busy; `vsam-tune doctor` shows its state"
                raise InputError(problem("Ray", "", None, f"does not start: {reason}", fix)) from error
            logger.warning("Ray did not start: %s; it is tried again", reason)
        else:
            return


def _shut_down(ray: Any) -> None:  # noqa: ANN401 - the module
    """Shut Ray down while no thread collects garbage.

    Ray ends this process at once, without an exception, if another thread, such as that of MLflow, collects a cycle
    with an object of Ray's in it while Ray shuts down.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        gc.collect()
        ray.shutdown()
    finally:
        if was_enabled:
            gc.enable()


def num_offered(wanted: float) -> int:
    """Return how many processors a local cluster offers: those that this process may use, or more if they are wanted.

    Args:
        wanted: by all trials at a time.

    Raises:
        InputError: if that is far more than the machine has.
    """
    there = cores()
    if wanted > _LARGEST_EXCESS * there.logical:
        rule = f"no such trials fit: there are {there.logical} CPUs"
        raise InputError(problem("this machine", "CPUs", wanted, rule, "lower resources.cpus or --workers"))
    return max(1, math.floor(there.usable), math.ceil(wanted))


def num_fitting(study: str, wanted: Resources, offered: Mapping[str, float]) -> int:
    """Return how many trials fit the cluster at a time.

    Args:
        study: its name, for the error.
        wanted: of one trial.
        offered: of the cluster, by Ray's names.

    Raises:
        InputError: if not a single trial fits.
    """
    each = {"CPU": wanted.cpus, "GPU": wanted.gpus}
    fits = [offered.get(kind, 0) / amount for kind, amount in each.items() if amount]
    if min(fits) < 1:
        there = ", ".join(f"{offered.get(kind, 0):g} {kind}s" for kind in each)
        rule = f"no trial fits: there are {there}"
        raise InputError(problem(study, "resources", each, rule, "take less, or --address of a cluster"))
    return int(min(fits))


def _quiet_ray() -> Any:  # noqa: ANN401 - the module
    for key, value in _QUIET.items():
        os.environ.setdefault(key, value)
    import ray  # noqa: PLC0415 - a second; and it reads the environment when it is imported

    logging.getLogger("ray.tune.tune").setLevel(logging.CRITICAL)  # it lists the Ray trials that failed at the end
    return ray


class _OurPackagesFirst(list[str]):
    """The folders that workers search for modules before all others, the last one first."""

    @override
    def extend(self, folders: Iterable[str], /) -> None:
        """Add folders, and ours: Ray adds the current folder, which may hold files with the names of our packages."""
        super().extend([*folders, ROOT])


def _job_config() -> Any:  # noqa: ANN401 - Ray is imported late
    from ray.job_config import JobConfig  # noqa: PLC0415 - as above

    config = JobConfig()
    config._py_driver_sys_path = _OurPackagesFirst()  # Ray has no public way
    return config


def _remember(folder: Path, ray_folder: Path) -> None:
    """Note the processes that Ray started under this one, and the folder of its sockets and logs."""
    started: list[object] = [[child.pid, child.create_time()] for child in psutil.Process().children(recursive=True)]
    started.append(str(ray_folder))
    try:
        write_text(folder / _PROCESSES, json.dumps(started))
    except OSError as error:
        logger.warning("%s cannot be written: %s; it only helps after a crash", folder / _PROCESSES, error.strerror)


def end_remains(folder: Path) -> int:
    """End processes that a local cluster of this study left after a `kill -9` of its driver, and remove its folder.

    Only processes that were noted by id and start time are touched, and a folder that has the name of Ray's.

    Returns:
        How many there were.
    """
    path = folder / _PROCESSES
    if not path.is_file():
        return 0
    remains = []
    for pid, create_time in _noted(path):
        try:
            process = psutil.Process(pid)
            if abs(process.create_time() - create_time) < 1:
                process.kill()
                remains.append(process)
        except psutil.Error:  # it has ended by itself
            continue
    psutil.wait_procs(remains, timeout=5)
    for ray_folder in _noted_folders(path):
        remove_ray_folder(ray_folder)
    path.unlink()
    return len(remains)


def _noted(path: Path) -> list[tuple[int, float]]:
    """Return the ids and start times that a file holds, also one that is damaged."""
    pairs = re.findall(rb"\[(\d{1,10}), (\d{1,20}(?:\.\d{1,20})?)\]", path.read_bytes())
    return [(int(pid), float(create_time)) for pid, create_time in pairs if 0 < int(pid) <= _LARGEST_PID]


def _noted_folders(path: Path) -> list[Path]:
    return [Path(os.fsdecode(name)) for name in re.findall(rb'"(/[^"\\\x00]{1,200})"', path.read_bytes())]
