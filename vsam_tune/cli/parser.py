"""The parser of one command: errors in one line, with the nearest option or choice."""

import argparse
import re
from typing import NoReturn

from typing_extensions import override

from vsam_tune.cli.invocation import command_line
from vsam_tune.errors import nearest

_RENAMED = {"--fresh": "--no-resume", "--time-only": "--timing-only", "--possible": "--include-possible"}


class CommandParser(argparse.ArgumentParser):
    """Parses the options of one command.

    Args:
        command: its name.
        description: the text above the options in the help.
    """

    def __init__(self, command: str, description: str) -> None:
        super().__init__(
            prog=f"vsam-tune {command}",
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self._command = command

    @override
    def error(self, message: str) -> NoReturn:
        fix = self._replacement(message) or command_line(self._command, "--help")
        self.exit(2, f"{self.prog}: {message}. Fix: {fix}\n")

    def _replacement(self, message: str) -> str | None:
        """Return what to write instead of an option or a choice that does not exist, if something is similar."""
        if found := re.search(r"unrecognized arguments: (--[^\s=]+)", message):
            name = _RENAMED.get(found[1]) or nearest(found[1], self._option_string_actions)
            return f"write {name}" if name in self._option_string_actions else None
        if re.search(r"unrecognized arguments: [\w.]+=", message):
            return "remove it; only check, search, baselines, confirm and train take settings"
        if found := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message):
            name = nearest(found[1], (choice.strip("' ") for choice in found[2].split(",")))
            return name and f"write {name}"
        return None
