"""Names of metrics and parameters as MLflow takes them."""

import functools
import hashlib
import logging
import posixpath
import re
from collections import Counter
from collections.abc import Sequence

logger = logging.getLogger(__name__)

_FORBIDDEN = re.compile(r"[^\w\-. :/]")
_LONGEST = 250  # characters, MLflow's limit
_HASH_CHARACTERS = 8


def mlflow_names(names: Sequence[str]) -> dict[str, str]:
    """Return the names in MLflow by our names, with a warning for each that differs; no two are equal.

    Args:
        names: different ones, of the metrics or the parameters of a trial.
    """
    spelt = {name: _spelt(name) for name in names}
    taken = Counter(key.lower() for key in spelt.values())  # choice: MySQL does not distinguish upper and lower case
    found = {}
    for name, key in spelt.items():
        collides = key != name and taken[key.lower()] > 1
        found[name] = _with_hash(key, name) if collides or len(key) > _LONGEST else key
        if found[name] != name:
            _warn(name, found[name])
    return found


def _spelt(name: str) -> str:
    """Return a name with MLflow's characters alone, that is no other path when it is taken for one."""
    path = posixpath.normpath(_FORBIDDEN.sub("_", name)).lstrip("/")
    parts = ["_" if part == ".." else part for part in path.split("/")]
    return "/".join(parts) if path not in ("", ".") else "_"


def _with_hash(key: str, name: str) -> str:
    digest = hashlib.sha256(name.encode()).hexdigest()[:_HASH_CHARACTERS]
    return f"{key[: _LONGEST - _HASH_CHARACTERS - 1]}_{digest}"


@functools.cache
def _warn(name: str, key: str) -> None:
    logger.warning("MLflow does not take the name %.60r: it is %r there", name, key)
