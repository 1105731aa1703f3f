"""Objects that Ray must not save, since they are restored from Optuna's storage."""

from typing import Any

from typing_extensions import override


class NotPickled:
    """Pickles without any state: Ray saves the parts of a Tuner to restore it, but ours restart from the storage."""

    @override
    def __getstate__(self) -> dict[str, Any]:
        return {}
