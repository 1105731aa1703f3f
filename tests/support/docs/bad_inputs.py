"""The two tables of bad inputs, as docs/bad-inputs.md shows them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.support.docs.markdown import code, table

TESTS = Path(__file__).parents[2]
SECTIONS: list[dict[str, Any]] = yaml.safe_load((TESTS / "cli" / "bad_inputs.yaml").read_text(encoding="utf-8"))
FILES: list[dict[str, Any]] = yaml.safe_load((TESTS / "study" / "file" / "bad_inputs.yaml").read_text(encoding="utf-8"))


def options_and_data() -> str:
    """Return a table for each section of tests/cli/bad_inputs.yaml: what, command, lines."""
    return "\n".join(f"## {section['section']}\n\n{_cases(section['cases'])}" for section in SECTIONS)


def contents() -> str:
    """Return the table of tests/study/file/bad_inputs.yaml: what, content of the file, lines."""
    rows = [(each["what"], code(*_content(each["file"])), code(*each["lines"])) for each in FILES]
    return table(("what", "in the file", "on stderr"), rows)


def _cases(cases: Sequence[Mapping[str, Any]]) -> str:
    rows = [(each["what"], code(*_command(each)), code(*each["stderr"])) for each in cases]
    return table(("what", "command", "on stderr"), rows)


def _command(case: Mapping[str, Any]) -> list[str]:
    """Return the command, and below it the study file and the module of the case's own, if it has them."""
    files = case.get("files") or {}
    own = [*_content(files.get("a.yaml", "")), *_content(files.get("mine.py", ""))]
    return [f"vsam-tune {' '.join(case['argv'])}", *own]


def _content(text: str) -> list[str]:
    """Return the lines of a file, without the name that each study needs, where it says nothing."""
    lines = text.replace("\t", "<TAB>").replace("\x01", "<U+0001>").rstrip("\n").split("\n")
    return lines[1:] if lines[0] == "name: a" and len(lines) > 1 else lines
