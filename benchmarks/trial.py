"""A trial of a study at its first starting point, for training in this process, without Ray."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainables.build import data_arguments, load_data
from trainables.dry_run import warm_up
from vsam_tune.data.load import TaskData
from vsam_tune.study.file.study_file import load_study
from vsam_tune.study.search import search_plan


def first_trial(study: Path, overrides: Mapping[str, object] | None = None) -> tuple[dict[str, Any], TaskData]:
    """Return the configuration and the data of a study's first trial, after a warm-up of this process.

    Args:
        study: its file.
        overrides: values by dotted key, for `load_study`.
    """
    plan = search_plan(load_study(study, overrides))
    config = plan.trial_config(dict(plan.initial[0]), 0, "")
    data = load_data(data_arguments(config))
    warm_up(config, data)
    return config, data
