"""Shell completion through argcomplete, which calls the program with what was typed in its environment.

choice: argcomplete rather than a generated script (shtab), since names of studies change while the shell runs.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path

from vsam_tune.cli.invocation import ROOT
from vsam_tune.registry.methods import METHODS
from vsam_tune.registry.metrics import DIRECTIONS, METRICS
from vsam_tune.study.file.builtin_studies import builtin_names
from vsam_tune.study.storage.folder import study_names

Completer = Callable[..., Iterable[str]]


def complete(commands: Mapping[str, tuple[str, str]]) -> None:
    """Answer the shell, and exit.

    Args:
        commands: (module, summary) by name, as `main.COMMANDS`.
    """
    import argcomplete

    parser = argparse.ArgumentParser(prog="vsam-tune", allow_abbrev=False)
    parsers = parser.add_subparsers()
    typed = os.environ.get("COMP_LINE", "").split()
    for name, (module, summary) in commands.items():
        command = parsers.add_parser(name, help=summary, allow_abbrev=False)
        if name in typed:  # the others need no options
            import_module(module).add_arguments(command)
            _add_completers(command)
    argcomplete.autocomplete(parser)
    sys.exit(1)  # reached only if argcomplete was not called by a shell


def _add_completers(parser: argparse.ArgumentParser) -> None:
    for action in parser._actions:
        completer = _COMPLETERS.get(action.metavar if isinstance(action.metavar, str) else action.dest)
        if completer is not None:
            vars(action)["completer"] = completer  # where argcomplete looks for it


def _studies(prefix: str, parsed_args: argparse.Namespace, **_: object) -> list[str]:
    """Return the studies under the root, those that are built in, and study files."""
    root = getattr(parsed_args, "root", None) or ROOT
    return [*study_names(root), *builtin_names(), *_study_files(prefix)]


def _study_files(prefix: str, **_: object) -> list[str]:
    """Return YAML files and folders; hidden ones only where the prefix starts with their dot."""
    folder, slash, start = prefix.rpartition("/")
    found = [path for path in sorted(Path(folder + slash or ".").glob("*")) if start or not path.name.startswith(".")]
    return [f"{path}/" if path.is_dir() else str(path) for path in found if path.is_dir() or path.suffix == ".yaml"]


def _methods(**_: object) -> Iterable[str]:
    return METHODS


def _listed(names: Callable[[], Iterable[str]]) -> Completer:
    """Return the completer of a list with commas."""

    def completer(prefix: str, **_: object) -> list[str]:
        before, comma, _last = prefix.rpartition(",")
        return [f"{before}{comma}{name}" for name in names()]

    return completer


def _picks(**_: object) -> list[str]:
    bounds = [f"{bound}-{name}=" for name in DIRECTIONS for bound in ("min", "max")]
    return ["knee", "trial=", "within=", *bounds]


def _settings(**_: object) -> list[str]:
    """Return the keys of a study file with `=`; names of parameters and of options are not listed."""
    from vsam_tune.study.file.problems import kinds_of
    from vsam_tune.study.file.study_file import StudyFile

    keys = []
    for section, field in StudyFile.model_fields.items():
        names = {name for model in kinds_of(field.annotation).values() for name in model.model_fields}
        keys += [f"{section}.{name}=" for name in sorted(names)] if names else [f"{section}="]
    return keys


_COMPLETERS: Mapping[str, Completer] = {  # by metavar
    "STUDY": _studies,
    "FILE": _study_files,
    "KEY=VALUE": _settings,
    "METHOD": _methods,
    "METHODS": _listed(lambda: METHODS),
    "COLUMNS": _listed(lambda: ["all", "trial", *METRICS, "front", "knee"]),
    "PICK": _picks,
}
