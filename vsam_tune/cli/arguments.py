"""Arguments that several commands share, so that they have the same names and meanings everywhere."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsam_tune.cli.invocation import ROOT, command_line
from vsam_tune.cli.render import FORMATS
from vsam_tune.errors import InputError, problem, shortened
from vsam_tune.study.storage.folder import is_study, study_names
from vsam_tune.trial import MOST_SEEDS

if TYPE_CHECKING:
    from vsam_tune.study.file.study_file import Study

_LARGEST = 1_000_000
ONE_AT_A_TIME = 1  # workers: trials that run side by side slow each other, and their AIS shows it


def add_study(parser: argparse.ArgumentParser) -> None:
    """Declare the optional positional STUDY and `--root`, for commands on a study that was started."""
    parser.add_argument(
        "study",
        nargs="?",
        metavar="STUDY",
        help="name of a study, or its study file; can be omitted if there is only one study under --root",
    )
    add_root(parser)


def add_study_file(parser: argparse.ArgumentParser) -> None:
    """Declare the positional STUDY, `--root`, and the options that replace its settings."""
    parser.add_argument(
        "study",
        metavar="STUDY",
        help="a study file, the name of a study that was started, or a built-in study: quickstart, cifar10_10k",
    )
    add_settings(parser)
    add_root(parser)
    parser.add_argument("--trials", type=positive, metavar="N", help="number of trials, instead of budget.trials")
    add_data(parser)


def add_data(parser: argparse.ArgumentParser) -> None:
    """Declare `--data` and `--download`."""
    parser.add_argument("--data", metavar="SPEC", help="data set, instead of task.data: digits, npz:PATH, ...")
    parser.add_argument("--download", action="store_true", help="download the data set if it is missing")


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Declare any number of positional KEY=VALUE, after the positional that names a file."""
    parser.add_argument(
        "settings",
        nargs="*",
        default=[],  # argparse takes it for required otherwise
        metavar="KEY=VALUE",
        help="setting that replaces one of the file, such as task.epochs=20; the value is YAML",
    )


def overrides(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that arguments and options replace, by dotted key.

    Raises:
        InputError: if an argument is no setting, or one is set twice.
    """
    from vsam_tune.study.file.overrides import read_overrides

    options = {"budget.trials": "trials", "task.data": "data", "task.download": "download"}
    given = {key: value for key, name in options.items() if (value := getattr(arguments, name, None))}
    return read_overrides(getattr(arguments, "settings", ()), given)


def add_root(parser: argparse.ArgumentParser) -> None:
    """Declare `--root`."""
    parser.add_argument(
        "--root", type=Path, default=ROOT, metavar="DIR", help=f"folder that contains the studies (default: {ROOT})"
    )


def add_format(parser: argparse.ArgumentParser) -> None:
    """Declare `--format`."""
    parser.add_argument("--format", choices=FORMATS, default="table", help="output format (default: table)")


def add_engine(parser: argparse.ArgumentParser, *, workers: int | None) -> None:
    """Declare `--workers` and `--address`."""
    default = "as many as fit on the machine" if workers is None else workers
    parser.add_argument(
        "--workers",
        type=positive,
        default=workers,
        metavar="N",
        help=f"number of trials that run at the same time (default: {default})",
    )
    parser.add_argument(
        "--address", metavar="HOST:PORT", help="address of a running Ray cluster (default: start Ray on this machine)"
    )


def positive(text: str) -> int:
    """Return a whole number from 1 to a million: trials, workers, seeds, a port.

    Raises:
        argparse.ArgumentTypeError: if the text is something else.
    """
    number = int(text) if text.isdecimal() and len(text) < 20 else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{shortened(text, 40)!r} must be a whole number >= 1")
    if number > _LARGEST:
        raise argparse.ArgumentTypeError(f"{number} must be at most {_LARGEST}")
    return number


def seeds(text: str) -> int:
    """Return a number of seeds, of which each is a training.

    Raises:
        argparse.ArgumentTypeError: if the text is something else.
    """
    number = positive(text)
    if number > MOST_SEEDS:
        raise argparse.ArgumentTypeError(f"{number} must be at most {MOST_SEEDS}")
    return number


def comma_separated(text: str) -> tuple[str, ...]:
    """Return the names of a list with commas.

    Raises:
        argparse.ArgumentTypeError: if the list is empty.
    """
    found = tuple(name.strip() for name in text.split(",") if name.strip())
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} contains no name")
    return found


def fill_study(arguments: argparse.Namespace) -> None:
    """Set `study` to the only study under the root where STUDY was omitted, and say so on stderr.

    Raises:
        InputError: if there is no study, or more than one.
    """
    if getattr(arguments, "study", "") is not None:
        return
    names = study_names(arguments.root)
    if len(names) != 1:
        rule = f"contains {len(names)} studies: {', '.join(names)}" if names else "contains no study"
        fix = f"write the name of one, such as {names[0]}" if names else command_line("search", "STUDY.yaml")
        raise InputError(problem(arguments.root, "", None, rule, fix))
    arguments.study = names[0]
    sys.stderr.write(f"study: {names[0]}, the only one in {arguments.root}\n")


def load_chosen_study(arguments: argparse.Namespace) -> "Study":
    """Return the study that STUDY names, with the settings of the command line.

    A study that was started goes before a built-in one of the same name, except with a setting `name`: then STUDY is
    only where another study begins.

    Returns:
        The study of a study file, the stored definition of a study under the root, or a built-in study.

    Raises:
        InputError: if the file or a setting is not valid; if there is no study of this name; or if a setting would
            change one that was started.
    """
    from vsam_tune.study.file.builtin_studies import builtin_file
    from vsam_tune.study.file.strict_yaml import read_mapping
    from vsam_tune.study.file.study_file import load_study, read_study
    from vsam_tune.study.storage.stored_study import load_definition, stored_definition

    name, root = str(arguments.study), arguments.root
    file, folder = Path(name), root / name
    if "=" in name and not file.exists():
        raise InputError(problem("STUDY", "", name, "is a setting, not a study", "write the study before it"))
    settings = overrides(arguments)
    started, is_yaml = is_study(folder), file.suffix in (".yaml", ".yml")
    if (is_yaml and not started) or (file.exists() and (is_yaml or not started)):
        return load_study(file, settings)
    builtin, renamed = builtin_file(name), settings.get("name", name) != name
    if builtin is not None and (renamed or not (started and stored_definition(folder))):  # or only has baselines
        here = Path(f"{name}.yaml")  # its paths start from the current folder
        return read_study(read_mapping(builtin), here, settings)
    study = load_definition(name, root, settings)
    if getattr(arguments, "settings", ()) and not renamed:
        _refuse_changes(study, folder)
    return study


def _refuse_changes(study: "Study", folder: Path) -> None:
    """Compare a study with the stored definition that it comes from.

    Raises:
        InputError: with one line for each setting that must not change once a study was started.
    """
    from vsam_tune.study.file.differences import difference_rules
    from vsam_tune.study.storage.stored_study import stored_definition

    stored = stored_definition(folder) or {}
    rule = f"differs from the study that was started in {folder}"
    rules = difference_rules(rule, study.differences(stored), study.resolved(), stored)
    if rules:
        fix = "leave it out, or add name=OTHER to start another study"
        raise InputError(*(problem(study.place(key), key, None, each, fix) for key, each in rules.items()))
