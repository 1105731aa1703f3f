"""Standard output and standard error: they accept any text, and a reader that leaves early is no error."""

import codecs
import io
import os
import sys

_PLAIN = {"±": "+-"}
_HANDLER = "vsam_tune.plain_text"


def prepare_streams() -> None:
    """Let stdout and stderr accept characters that they cannot encode, and text where they are closed."""
    codecs.register_error(_HANDLER, _plain_text)
    if sys.stdout is None:  # `>&-`
        sys.stdout = _discarding(1)
    if sys.stderr is None:
        sys.stderr = _discarding(2)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8" if _is_c_locale(stream) else None, errors=_HANDLER)


def discard_output() -> None:
    """Write nothing more to stdout and stderr where their readers have left: Python flushes both when it exits."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)


def _is_c_locale(stream: io.TextIOWrapper) -> bool:
    """Return whether a stream has ASCII from the locale alone: nobody asked for it, and terminals show UTF-8."""
    return codecs.lookup(stream.encoding).name == "ascii" and "PYTHONIOENCODING" not in os.environ


def _plain_text(error: UnicodeError) -> tuple[str, int]:
    """Return the replacement of characters that an encoding lacks.

    Raises:
        UnicodeError: the error itself, if it is not about encoding.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    escaped = (_PLAIN.get(each) or each.encode("ascii", "backslashreplace").decode() for each in characters)
    return "".join(escaped), error.end


def _discarding(descriptor: int) -> io.TextIOWrapper:
    """Open a stream to nowhere under the number of a closed one, so that no other file gets this number."""
    null = os.open(os.devnull, os.O_WRONLY)
    if null != descriptor:
        os.dup2(null, descriptor)
        os.close(null)
    return open(descriptor, "w", encoding="utf-8")
