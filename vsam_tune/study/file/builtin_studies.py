"""The study files that are part of the package; commands take them by name."""

from pathlib import Path

_FOLDER = Path(__file__).parent / "builtin"


def builtin_names() -> list[str]:
    """Return the names of the built-in studies, the quick one first."""
    return sorted((file.stem for file in _FOLDER.glob("*.yaml")), key=lambda name: (name != "quickstart", name))


def builtin_file(name: str) -> Path | None:
    """Return the file of a built-in study; None if there is none of this name."""
    return _FOLDER / f"{name}.yaml" if name in builtin_names() else None
