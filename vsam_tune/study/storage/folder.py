"""The folders of studies, by name alone: nothing here opens a database."""

from pathlib import Path

DATABASE = "optuna.db"


def study_names(root: Path) -> list[str]:
    """Return the names of the studies under `root`, sorted."""
    return sorted(path.parent.name for path in root.glob(f"*/{DATABASE}"))
