"""The examples of bad inputs that docs/bad-inputs.md shows: the cases of the two fixtures that say `example: true`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.docs.markdown import code, table

TESTS = Path(__file__).parents[2]
SECTIONS: list[dict[str, Any]] = yaml.safe_load((TESTS / "cli" / "bad_inputs.yaml").read_text(encoding="utf-8"))
FILES: list[dict[str, Any]] = yaml.safe_load((TESTS / "study" / "file" / "bad_inputs.yaml").read_text(encoding="utf-8"))


def commands() -> str:
    """Return the table of the examples in tests/cli/bad_inputs.yaml: what, command, lines."""
    cases = [case for section in SECTIONS for case in section["cases"] if case.get("example")]
    rows = [(each["what"], code(*_command(each)), code(*each["stderr"])) for each in cases]
    return table(("what", "command", "on stderr"), rows)


def contents() -> str:
    """Return the table of the examples in tests/study/file/bad_inputs.yaml: what, content of the file, lines."""
    cases = [case for case in FILES if case.get("example")]
    rows = [(each["what"], code(*_content(each["file"])), code(*each["lines"])) for each in cases]
    return table(("what", "in the file", "on stderr"), rows)


def _command(case: Mapping[str, Any]) -> list[str]:
    """Return the command, and below it the study file of the case, if it has one."""
    return [f"vsam-tune {' '.join(case['argv'])}", *_content((case.get("files") or {}).get("a.yaml", ""))]


def _content(text: str) -> list[str]:
    """Return the lines of a file, without the name that each study needs."""
    return [line for line in text.splitlines() if line != "name: a"]
