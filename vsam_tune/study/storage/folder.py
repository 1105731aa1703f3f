"""The folders of studies and the places of files in them, by name alone: nothing here opens a database."""

from pathlib import Path

from vsam_tune.errors import InputError, nearest, problem
from vsam_tune.study.file.builtin_studies import builtin_file

DATABASE = "optuna.db"
RESOLVED = "study.resolved.yaml"  # an export of the definition: people read it, no program does
BASELINES = ".baselines"  # after the study's name: the Optuna study of its baselines, in the same database
BASELINES_FOLDER = "baselines"  # in the study's folder: files of their trials
CONFIRM = ".confirm"  # after the study's name: the Optuna study that confirms its front
CONFIRM_FOLDER = "confirm"
SEARCH_COMMAND = "vsam-tune search STUDY.yaml"


def study_names(root: Path) -> list[str]:
    """Return the names of the studies under `root`, sorted."""
    return sorted(path.parent.name for path in root.glob(f"*/{DATABASE}"))


def is_study(folder: Path) -> bool:
    """Return whether something was started in a folder."""
    return (folder / DATABASE).is_file()


def trial_folder(number: int) -> str:
    """Return where a trial's files are, relative to the study's folder."""
    return f"trials/{number:05d}"


def study_folder(study: str, root: Path) -> Path:
    """Return the folder of a study that was started.

    Raises:
        InputError: if the file is no study file, or nothing was started under that name.
    """
    name = study
    could_be_name = is_study(root / study) and not Path(study).exists()  # a name could end in .yaml once
    if Path(study).suffix in (".yaml", ".yml") and not could_be_name:
        from vsam_tune.study.file.study_file import load_study  # noqa: PLC0415 - pydantic, where a name is enough

        name = load_study(Path(study)).name
    folder = root / name
    if not is_study(folder):
        known = study_names(root)
        near = nearest(name, known)
        if builtin_file(name) is not None:
            raise InputError(problem(root, "", name, "was not started", f"vsam-tune search {name}"))
        fix = f"one of {', '.join(known)}, or {SEARCH_COMMAND}" if known else SEARCH_COMMAND
        if near is not None:
            fix = f"write {near}"
        raise InputError(problem(root, "", name, "holds no study of this name", fix))
    return folder
