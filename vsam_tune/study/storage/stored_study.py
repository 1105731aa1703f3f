"""Read the studies that a folder holds, whether a process works on them or not."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import optuna
from optuna.study import Study as OptunaStudy
from sqlalchemy.exc import DatabaseError

from vsam_tune.analysis.results import BaselinesResult, ConfirmationResult, StudyResult
from vsam_tune.errors import InputError, problem
from vsam_tune.study.file.strict_yaml import to_yaml
from vsam_tune.study.storage.database import connected
from vsam_tune.study.storage.folder import BASELINES, CONFIRM, DATABASE, SEARCH_COMMAND, study_folder
from vsam_tune.study.storage.importances import Importances
from vsam_tune.study.storage.study_storage import StudyStorage

if TYPE_CHECKING:
    from vsam_tune.study.file.study_file import Study

T = TypeVar("T")


def load_result(study: str, root: Path) -> StudyResult:
    """Return a study under `root`, its trials so far and its definition.

    Args:
        study: a study file, or a study's name.
        root: the folder that holds the studies' folders.

    Raises:
        InputError: if there is no such study, or it was not searched.
    """
    return _held(study, root, "", "search", SEARCH_COMMAND)


def load_baselines(study: str, root: Path) -> BaselinesResult:
    """Return the baselines of a study, under its name, as `load_result` does its search."""
    return _held(study, root, BASELINES, "baselines", f"vsam-tune baselines {study}")


def load_confirm(study: str, root: Path) -> ConfirmationResult:
    """Return the confirmation of a study's front, under its name, as `load_result` does its search."""
    return _held(study, root, CONFIRM, "confirmation", f"vsam-tune confirm {study}")


def load_importances(study: str, root: Path) -> Importances:
    """Return how much each hyper-parameter decides on each objective, as `load_result` returns the trials.

    Raises:
        InputError: if there is no such study, or it was not searched.
    """
    folder = study_folder(study, root)
    return _there(open_stored(folder), folder, "search", SEARCH_COMMAND).importances()


def _held(study: str, root: Path, suffix: str, what: str, fix: str) -> StudyResult:
    folder = study_folder(study, root)
    return _there(find_result(folder, suffix), folder, what, fix)


def _there(found: T | None, folder: Path, what: str, fix: str) -> T:
    """Return what was found in a study's folder.

    Raises:
        InputError: if that is nothing.
    """
    if found is None:
        raise InputError(problem(folder / DATABASE, "", None, f"holds no {what} yet", fix))
    return found


def find_result(folder: Path, suffix: str = "") -> StudyResult | None:
    """Return an Optuna study of a study's folder, under the study's name; None if it was not started.

    Args:
        folder: of the study, whose name it has.
        suffix: of the Optuna study; empty for the search.

    Raises:
        InputError: if the file is no database, or holds nothing under the folder's name.
    """
    found = open_stored(folder, suffix)
    return None if found is None else replace(found.result(), name=folder.absolute().name)


def stored_definition(folder: Path, suffix: str = "") -> dict[str, Any] | None:
    """Return the definition of an Optuna study of a study's folder; None if it was not started.

    Args:
        folder: of the study, whose name it has.
        suffix: of the Optuna study; empty for the search.

    Raises:
        InputError: if the file is no database, or holds nothing under the folder's name.
    """
    found = _find(folder, suffix)
    return None if found is None else dict(found.user_attrs["study"])


def open_stored(folder: Path, suffix: str = "") -> StudyStorage | None:
    """Return the storage of an Optuna study of a study's folder, as it was started; None if it was not started.

    Raises:
        InputError: as `find_result`.
    """
    found = _find(folder, suffix)
    return None if found is None else StudyStorage(found)


def _find(folder: Path, suffix: str) -> OptunaStudy | None:
    path, name = folder / DATABASE, folder.absolute().name
    if not path.is_file():
        return None
    try:
        found = optuna.load_study(study_name=name + suffix, storage=connected(path))
        started = "study" in found.user_attrs  # else a driver was killed between creating the study and this attribute
    except KeyError as error:
        if {name, name + BASELINES}.isdisjoint(optuna.get_all_study_names(storage=connected(path))):
            rule = "holds no study of its folder's name"
            raise InputError(problem(path, "", None, rule, "give the folder its name back")) from error
        return None
    except DatabaseError as error:
        fix = "restore it from a copy, or move its folder away"
        raise InputError(problem(path, "", None, f"cannot be read: {error.orig}", fix)) from error
    return found if started else None


def load_definition(study: str, root: Path, overrides: Mapping[str, object] | None = None) -> "Study":
    """Return the study that was searched under a name, as its database has it.

    Args:
        study: a study file, or a study's name.
        root: the folder that holds the studies' folders.
        overrides: values of the command line, as for `load_study`.

    Raises:
        InputError: if there is no such study, or it was not searched.
    """
    from vsam_tune.study.file.study_file import read_study  # noqa: PLC0415 - pydantic, where a name is enough

    folder = study_folder(study, root)
    definition = _there(stored_definition(folder), folder, "search", SEARCH_COMMAND)
    return read_study(definition, folder / DATABASE, overrides)


def definition_text(definition: Mapping[str, Any]) -> str:
    """Return a definition as the YAML that is exported."""
    return to_yaml(definition)
