"""What a user can put right: `InputError`, and the one form of the lines that say how."""

from typing_extensions import override


def finding(where: object, key: str, value: object, rule: str, cure: str) -> str:
    """Return one line: file, key path, value, rule, cure.

    Args:
        where: the file (or the option) that holds the value.
        key: the path of the key in it, dotted; empty when the finding is about the whole file.
        value: what was found there; left out when None.
        rule: what has to hold, without a full stop.
        cure: what to write instead, without a full stop.

    Returns:
        `WHERE: KEY = VALUE: RULE. Cure: CURE.`, on one line whatever the parts hold.
    """
    shown = "" if value is None else f" = {value!r}"
    middle = f" {key}{shown}:" if key else (f" {value!r}:" if value is not None else "")
    return " ".join(f"{where}:{middle} {rule}. Cure: {cure}.".split())


class InputError(Exception):
    """Bad input that the user can mend: a file, an option, data. The command line prints it and exits with 2.

    Attributes:
        lines: one finding each, made by `finding`.
    """

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines)
        self.lines = lines

    @override
    def __str__(self) -> str:
        return "\n".join(self.lines)
