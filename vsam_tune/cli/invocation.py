"""Commands that a message proposes: they work as printed where the reader is."""

import shlex
import shutil
import sys
from pathlib import Path

PROGRAM = "vsam-tune"
ROOT = Path("runs")  # where studies are, unless --root says otherwise
_MODULE = "vsam_tune.cli.main"


def command_line(*words: object, root: Path = ROOT) -> str:
    """Return a command line of this program that can be pasted into the shell it was started from.

    Args:
        words: the command and its arguments; those with blanks are quoted.
        root: added as `--root` where it is not the default.
    """
    at = [] if root == ROOT else ["--root", str(root)]
    return " ".join([program(), *(shlex.quote(str(word)) for word in (*words, *at))])


def program() -> str:
    """Return how this program is called: by its name where PATH leads to it, or as it was called."""
    if _runs_as_module():
        interpreter = sys.orig_argv[0] if sys.orig_argv else sys.executable
        return f"{shlex.quote(interpreter)} -m {_MODULE}"
    called = Path(sys.argv[0])
    if called.name != PROGRAM or not called.exists():  # from Python, such as in a test
        return PROGRAM
    found = shutil.which(PROGRAM)
    if found is not None and Path(found).samefile(called):
        return PROGRAM
    return shlex.quote(str(called))


def _runs_as_module() -> bool:
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return spec is not None and spec.name == _MODULE
