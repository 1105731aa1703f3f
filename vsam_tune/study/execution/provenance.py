"""Where a trial comes from: versions, device, commit, and a hash of the study's definition."""

import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import TypedDict

from vsam_tune.machine.hardware import device
from vsam_tune.study.scheduling.plan import Plan

_PACKAGES = ("vsam-tune", "torch", "ray", "optuna", "mlflow")


class Provenance(TypedDict):
    """User attributes that every trial gets in Optuna.

    Attributes:
        versions: of the packages by name, and the git commit as `commit`.
        device: the machine of the driver.
        study_hash: of the definition.
    """

    versions: dict[str, str]
    device: str
    study_hash: str


def provenance(plan: Plan) -> Provenance:
    """Return the provenance of the trials that this process starts."""
    versions = {package: version(package) for package in _PACKAGES}
    return {"versions": versions | {"commit": _commit()}, "device": device(), "study_hash": plan.digest}


def provenance_tags(of: Provenance) -> dict[str, str]:
    """Return the provenance of a trial as tags of its MLflow run."""
    return {
        "vsam_tune.device": of["device"],
        "vsam_tune.study_hash": of["study_hash"],
        "vsam_tune.versions": ", ".join(f"{package} {version}" for package, version in of["versions"].items()),
        "mlflow.source.name": "vsam-tune",
        "mlflow.source.git.commit": of["versions"]["commit"],
    }


def _commit() -> str:
    command = ["git", "rev-parse", "HEAD"]
    try:
        shown = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, encoding="utf-8", check=False)  # noqa: S603 - literal
    except OSError:
        return "unknown"
    return shown.stdout.strip() or "unknown"
