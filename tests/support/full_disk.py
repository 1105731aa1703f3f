"""A disk without any space for one atomic write; needs no root."""

import os

import pytest

from vsam_tune import atomic_file


def fill_disk(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let the next atomic write of a file of this name fail with "No space left on device"; later ones succeed."""
    create = atomic_file._create

    def create_on_full_disk(target):
        if target.name != name:
            return create(target)
        monkeypatch.setattr(atomic_file, "_create", create)
        part = target.with_name(f"{target.name}.00000000{atomic_file.SUFFIX}")
        part.symlink_to("/dev/full")
        return part, os.open(part, os.O_WRONLY)

    monkeypatch.setattr(atomic_file, "_create", create_on_full_disk)
