"""Tracking URIs: those that can never work, those that are relative, and passwords, which are written nowhere."""

import os
import re
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import urlparse

from vsam_tune.errors import nearest

_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_SCHEMES = ("http", "https", *_DATABASES, "databricks")
_PACKAGES = {"MySQLdb": "mysqlclient", "psycopg": "'psycopg[binary]'", "psycopg2": "psycopg2-binary"}  # by module
_USER = re.compile(r"://([^\s/?#:@]*):[^\s/?#]*@")
_OPTION = re.compile(r"([?&](?:password|passwd|pwd|sslpassword)=)[^&\s]*", re.IGNORECASE)
_FILE = "write sqlite:///mlflow.db, the address of a server such as http://localhost:5000, or leave it out"


def without_password(text: str) -> str:
    """Return a URI, or a text with URIs, without passwords; the user names stay."""
    return _OPTION.sub(r"\1", _USER.sub(r"://\1@", text))


def absolute_uri(uri: str, folder: Path) -> str:
    """Return a tracking URI; a relative path of a SQLite file starts from `folder`."""
    path = uri.removeprefix("sqlite:///")
    relative = path != uri and path and not path.startswith(("/", ":memory:", "file:"))
    return f"sqlite:///{(folder / path).absolute()}" if relative else uri


def uri_problem(uri: str) -> tuple[str, str] | None:
    """Return why a tracking URI can never work, and the fix; None if it may."""
    scheme, colon, _ = uri.partition(":")
    dialect = scheme.partition("+")[0]
    plugins = {each.name for each in entry_points(group="mlflow.tracking_store")}
    if scheme == "databricks" or scheme in plugins:
        return None
    if not colon or scheme == "file":
        if os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() in ("true", "1"):
            return None
        return "is a folder, in which MLflow no longer keeps runs", _FILE
    if dialect in _DATABASES:
        return _database_problem(uri, dialect)
    if scheme in ("http", "https"):
        return _server_problem(uri)
    near = nearest(scheme, _SCHEMES)
    fix = f"write {without_password(near + uri[len(scheme) :])}" if near else _FILE
    return f"has a scheme that MLflow does not know: {scheme}", fix


def _server_problem(uri: str) -> tuple[str, str] | None:
    try:
        parsed = urlparse(uri)
        wrong = not parsed.hostname or parsed.port == 0 or re.search(r"\s", uri)
    except ValueError:  # of the port
        wrong = True
    return ("is no address of a server", "write http://HOST:PORT, such as http://localhost:5000") if wrong else None


def _database_problem(uri: str, dialect: str) -> tuple[str, str] | None:
    from sqlalchemy import create_engine, make_url  # noqa: PLC0415 - only where a database is named
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError  # noqa: PLC0415 - as above

    try:
        url = make_url(uri)
        if dialect == "sqlite" and (url.host or not url.database or ":memory:" in url.database):
            return "names no file", "write sqlite:///mlflow.db"
        if dialect == "sqlite" and Path(str(url.database)).is_dir():
            return "is a folder", f"write {uri.rstrip('/')}/mlflow.db"
        create_engine(url).dispose()
    except (ArgumentError, NoSuchModuleError, ValueError):
        return "is no URL of a database", f"write {dialect}://USER@HOST/DATABASE" if dialect != "sqlite" else _FILE
    except ModuleNotFoundError as error:
        package = _PACKAGES.get(str(error.name), error.name)
        return f"needs the module {error.name}, which is not installed", f"pip install {package}"
    return None
