"""What Ray may not save: ours is restored from Optuna's storage."""

from typing import Any

from typing_extensions import override


class NotPickled:
    """Pickles as nothing: Ray saves what a Tuner is made of to restore it, ours is restored from Optuna's storage."""

    @override
    def __getstate__(self) -> dict[str, Any]:
        return {}
