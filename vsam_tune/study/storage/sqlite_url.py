"""URLs of SQLite files."""

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError


def sqlite_url(path: Path) -> str:
    """Return the URL of a database file, whatever characters its path has."""
    text = f"sqlite:///{path.absolute()}"
    if make_url(text).database == str(path.absolute()):
        return text  # the form that people know
    return URL.create("sqlite", database=str(path.absolute())).render_as_string()


def database_file(url: str) -> Path | None:
    """Return the file that a URL names; None for another database, or one in memory."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        return None
    database = parsed.database or ":memory:"
    in_a_file = (
        parsed.get_backend_name() == "sqlite" and ":memory:" not in database and not database.startswith("file:")
    )
    return Path(database) if in_a_file else None
