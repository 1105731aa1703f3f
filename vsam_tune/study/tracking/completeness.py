"""Whether MLflow holds all of a study. A mark in the study's folder is believed only after a look at the store."""

import logging
from pathlib import Path

from vsam_tune.analysis.results import StudyResult
from vsam_tune.study.file.tracking_uri import without_password
from vsam_tune.study.tracking.logged_runs import holds_all
from vsam_tune.study.tracking.mlflow_client import store_error
from vsam_tune.study.tracking.run_kind import RunKind
from vsam_tune.study.tracking.tracking_state import default_uri, is_new_copy, lacks_a_part, read_tracking_state

logger = logging.getLogger(__name__)


def store_lacks_a_part(home: Path, folder: Path, uri: str | None, result: StudyResult, kind: RunKind) -> bool:
    """Return whether something of a study, or of a part of it, must be logged; nothing is written.

    Args:
        home: the study's folder.
        folder: of the files of the trials.
        uri: the tracking URI; None for the SQLite file in the study's folder.
        result: with all trials.
        kind: of their runs.
    """
    state = read_tracking_state(folder)
    if state is None or lacks_a_part(folder, uri) or is_new_copy(home, uri):
        return True
    where = uri or default_uri(home)
    try:
        return not holds_all(where, state.study_id, home, folder, result, kind)
    except Exception as error:  # noqa: BLE001 - the display must never end the search
        if uri is None:  # the study's own file is broken, and is made anew
            return True
        shown, text = without_password(where), store_error(error)
        logger.warning("MLflow at %s: %s; whether it holds all of the study was not checked", shown, text)
        return False
