"""What a user can put right: `InputError`, and the one form of the lines that say how."""

from typing_extensions import override


def problem(where: object, key: str, value: object, rule: str, fix: str) -> str:
    """Return one line: file, key path, value, rule, fix.

    Args:
        where: the file (or the option) that holds the value.
        key: the path of the key in it, dotted; empty when the problem is about the whole file.
        value: what was found there; left out when None.
        rule: what has to hold, without a full stop.
        fix: what to write instead, without a full stop.

    Returns:
        `WHERE: KEY = VALUE: RULE. Fix: FIX.`, on one line whatever the parts hold.
    """
    shown = "" if value is None else f" = {value!r}"
    middle = f" {key}{shown}:" if key else (f" {value!r}:" if value is not None else "")
    return " ".join(f"{where}:{middle} {rule}. Fix: {fix}.".split())


class InputError(Exception):
    """Bad input that the user can mend: a file, an option, data. The command line prints it and exits with 2.

    Attributes:
        lines: one problem each, made by `problem`.
    """

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines)
        self.lines = lines

    @override
    def __str__(self) -> str:
        return "\n".join(self.lines)
