"""Errors that a user can correct: `InputError`, and the form of its lines."""

from collections.abc import Iterable
from difflib import get_close_matches

from typing_extensions import override


def problem(where: object, key: str, value: object, rule: str, fix: str) -> str:
    """Return one line: file, key path, value, rule, fix.

    Args:
        where: file or option that holds the value.
        key: path of the key in it, dotted; empty if the problem is about the whole file.
        value: the value there; None leaves it out.
        rule: the rule that the value breaks, without a full stop.
        fix: the correction, without a full stop.

    Returns:
        `WHERE: KEY = VALUE: RULE. Fix: FIX.`; line breaks in the parts become spaces, and long parts are shortened.
    """
    key, rule, fix = (shortened(part, limit) for part, limit in ((key, 200), (rule, 1000), (fix, 1000)))
    shown = "" if value is None else shortened(_written(value), 200)
    middle = f" {key} = {shown}:" if key and shown else f" {key or shown}:" if key or shown else ""
    return " ".join(f"{where}:{middle} {rule}. Fix: {fix}.".split())


def shortened(text: str, limit: int) -> str:
    """Return a text without its middle, and with its length instead, if it has more characters than the limit."""
    if len(text) <= limit:
        return text
    return f"{text[: limit // 2]}...{text[-(limit // 4) :]} ({len(text):,} characters)"


def _written(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return "an integer of more than 4,300 digits"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that a misspelt one most likely means; None where no name is similar."""
    return next(iter(get_close_matches(name, list(known), n=1)), None)


class InputError(Exception):
    """Bad input that the user can correct: a file, an option, data. The command line prints it and exits with 2.

    Attributes:
        lines: one problem each, from `problem`.
    """

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines)
        self.lines = lines

    @override
    def __str__(self) -> str:
        return "\n".join(self.lines)
