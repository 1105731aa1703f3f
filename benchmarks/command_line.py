"""Run `vsam-tune` in a separate process, as a user does."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml


def vsam_tune(*arguments: object) -> str:
    """Run a command; its log goes to the stderr of this process.

    Returns:
        Its stdout, even if one of many trainings failed.

    Raises:
        RuntimeError: if it fails and prints nothing.
    """
    words = [str(argument) for argument in arguments]
    command = [sys.executable, "-m", "vsam_tune.cli.main", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=False)  # noqa: S603 - no shell
    if done.returncode and not done.stdout:
        raise RuntimeError(f"vsam-tune {' '.join(words)} failed with {done.returncode}")
    return done.stdout


def vsam_tune_json(*arguments: object) -> Any:  # noqa: ANN401 - depends on the command
    """Run a command, and return its JSON output."""
    return json.loads(vsam_tune(*arguments, "--format", "json"))


def write_study(folder: Path, content: dict[str, Any]) -> Path:
    """Write a study file with the name of the study; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{content['name']}.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return file
