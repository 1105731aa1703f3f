"""The definition of a study, as it is in the attribute `study` of its Optuna study: one type for each kind of study."""

from typing import Any, Literal, NotRequired, TypedDict

Settings = dict[str, Any]  # by name, as the study file has them: their names depend on a method, a model or a trainable


class ObjectiveDefinition(TypedDict):
    """An objective, by name."""

    name: str
    direction: Literal["maximize", "minimize"]


class _Definition(TypedDict):
    """The part that all definitions share; a search has it from its first start on.

    Attributes:
        objectives: in order.
        task: the section `task:` with all its defaults.
        base_optimizer: `name` and settings.
        trainable: `module:name`.
    """

    objectives: list[ObjectiveDefinition]
    task: Settings
    base_optimizer: Settings
    trainable: str


class SearchDefinition(_Definition):
    """The definition of a search: the sections of its study file, as `Study.resolved` writes them."""

    name: str
    method: Settings
    space: Settings
    initial: list[Settings]
    sampler: Settings
    trial_scheduler: Settings
    replicates: int
    racing: bool
    budget: Settings
    resources: Settings
    tracking: Settings
    reference_point: dict[str, float] | None
    baselines: Settings | None


class FinalDefinition(_Definition):
    """The definition of a final training: one configuration, as `Export.resolved` writes it."""

    method: Settings
    source: NotRequired[Settings]


class RowDefinition(TypedDict):
    """One row of baselines or of a confirmation.

    Attributes:
        method: `name` and all settings.
        base_optimizer: `name` and all settings.
        trial: its number in the search; None for a method that was not picked from there.
    """

    method: Settings
    base_optimizer: Settings
    trial: int | None


class BaselinesDefinition(_Definition):
    """The definition of baselines.

    Attributes:
        rows: by label.
    """

    rows: dict[str, RowDefinition]


class ConfirmationDefinition(BaselinesDefinition):
    """The definition of a confirmation.

    Attributes:
        timed: whether rows are timed alone, which a custom trainable cannot be.
    """

    timed: bool
