"""Our packages are found whatever the current folder holds under their names."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.toy_study import write_toy
from vsam_tune.import_path import PACKAGES, ROOT

# The finder of an editable install comes after `sys.path`: here the current folder comes first of all.
FIND = """
import sys
sys.path[:] = [folder for folder in sys.path if folder not in ({root!r}, "")]
sys.path.insert(0, {root!r})
import vsam_tune
sys.path.remove({root!r})
sys.path.insert(0, {here!r})
import dashboards, search_spaces.loader, trainables.error_file
print(*{{module.__file__ for module in (dashboards, search_spaces, trainables)}}, sep="\\n")
"""


def hide(folder: Path, kind: str) -> None:
    """Write a file, a folder or a package with the name of each of our packages."""
    for name in PACKAGES:
        if kind == "file":
            (folder / f"{name}.py").write_text("raise ImportError('of the current folder')\n")
        else:
            (folder / name).mkdir()
            if kind == "package":
                (folder / name / "__init__.py").write_text("raise ImportError('of the current folder')\n")


@pytest.mark.parametrize("kind", ["file", "folder", "package"])
def test_our_packages_are_found_before_the_current_folder(kind: str, tmp_path: Path) -> None:
    hide(tmp_path, kind)
    code = FIND.format(root=ROOT, here=str(tmp_path))
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert all(line.startswith(ROOT) for line in found.stdout.splitlines())


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("kind", ["file", "folder", "package"])
def test_a_study_runs_where_files_have_the_names_of_our_packages(kind: str, tmp_path: Path) -> None:
    """In the driver, in the process that asks the trainable, and in Ray's workers."""
    hide(tmp_path, kind)
    (tmp_path / "mine.py").write_text(
        "from tests.support.trainables.quadratic import Quadratic\nclass Mine(Quadratic): ...\n"
    )
    file = write_toy(tmp_path, trainable="mine:Mine", budget={"trials": 2})
    code = f"import sys; sys.path[0] = {ROOT!r}; from vsam_tune.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "search", str(file), "--workers", "1", "--root", str(tmp_path / "runs")]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "2 complete" in ran.stdout
