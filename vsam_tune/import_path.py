"""Our packages are imported from the place of this one, whatever the current folder holds under their names.

An editable install is searched after the folders of `sys.path`, and the current folder is one of them: custom
trainables, data and models are imported from it.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from typing_extensions import override

PACKAGES = ("vsam_tune", "trainables", "search_spaces", "dashboards")
ROOT = str(Path(__file__).parents[1])  # the folder that holds them


class _OurPackages(MetaPathFinder):
    """Finds our packages."""

    @override
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(fullname, [ROOT]) if fullname in PACKAGES else None


def find_our_packages_first() -> None:
    """Find our packages before others of the same name, in this process."""
    if not any(isinstance(finder, _OurPackages) for finder in sys.meta_path):
        sys.meta_path.insert(0, _OurPackages())


def search_current_folder() -> None:
    """Also import from the current folder, after all other folders: a file there hides no module.

    Child processes search the same folders. They have to find our packages before they can import this module.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.extend(folder for folder in (ROOT, here) if folder not in sys.path)
