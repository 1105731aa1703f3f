"""`baselines:`, the methods that a study is compared with: one row each, everything fixed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, JsonValue, field_validator
from typing_extensions import override

from search_spaces.schema import Strict, broken
from vsam_tune.errors import problem
from vsam_tune.registry.methods import METHODS
from vsam_tune.study.file.configuration import Configuration
from vsam_tune.study.file.constraints import check_constraints
from vsam_tune.study.file.differences import differing_keys
from vsam_tune.study.file.hyperparameters import NamedSettings, Parameters
from vsam_tune.study.file.initial_points import Point
from vsam_tune.study.file.method import check_name, check_settings, named, named_reader, typed
from vsam_tune.study.file.problems import Problem, without
from vsam_tune.study.file.space import check_fixed
from vsam_tune.trial import MOST_SEEDS

_METHODS_FIX = "write a list such as [sgd, {name: vsam, beta: 0.05}]"


def _check_entry(entry: JsonValue) -> JsonValue:
    if isinstance(entry, dict) and "name" not in entry:
        raise broken("name", "is missing", "write {name: sam}, with the settings of this row")
    named_reader("{name: sam}")(entry)
    return entry


class Baselines(Strict):
    """`baselines:`, the methods that a study is compared with.

    Attributes:
        seeds: replicates of each row.
        shared: settings of every method that takes them, where its row does not set them.
        methods: names, or mappings of `name`, settings of this row and a `label`; None for every method.
    """

    seeds: int = Field(3, ge=1, le=MOST_SEEDS, description="write a number of replicates, such as 3")
    shared: dict[str, JsonValue] = Field({}, description="write settings by name, such as {rho: 0.1}")
    methods: tuple[Annotated[JsonValue, AfterValidator(_check_entry)], ...] | None = Field(
        None, strict=False, description=_METHODS_FIX
    )

    @field_validator("methods")
    @classmethod
    def _check_methods(cls, methods: tuple[JsonValue, ...] | None) -> tuple[JsonValue, ...] | None:
        if methods == ():
            raise broken("", "must not be empty", _METHODS_FIX)
        return methods


class BaselineRow(Configuration):
    """A row of the comparison: a configuration, everything fixed, under its label.

    Attributes:
        label: the method's name, with the settings of this row in parentheses; or the label in the file.
        trial: number of the search's trial that it repeats; None for a method of the list.
        key: of the row in the study file.
    """

    label: str
    trial: int | None = None
    key: str = ""

    @property
    @override
    def parameters(self) -> Parameters:
        return Parameters(self.method.name, self.base_optimizer.name, at=self.key)

    def stored(self) -> dict[str, Any]:
        """Return the row as the storage keeps it: `method` and `base_optimizer` with all settings, and `trial`."""
        settings = self.settings()
        base = {name: value for name, value in settings["base_optimizer"].items() if name != "optimizer"}
        return {
            "method": settings["method"],
            "base_optimizer": {"name": self.base_optimizer.name, **base},
            "trial": self.trial,
        }


def stored_row(label: str, stored: Mapping[str, Any], around: Configuration) -> BaselineRow:
    """Return a row as the storage keeps it, on the task of a study."""
    method = named(stored["method"])
    fixed = METHODS[method.name].fixed if method.name in METHODS else {}
    settings = {name: value for name, value in method.settings.items() if name not in fixed}
    return BaselineRow.around(
        around,
        base_optimizer=stored["base_optimizer"],
        method=NamedSettings(method.name, settings),
        label=label,
        trial=stored["trial"],
    )


def trial_row(
    number: int, chosen: tuple[NamedSettings, NamedSettings], around: Configuration, *, key: str
) -> BaselineRow:
    """Return the row of a trial of the search, on the task of a study.

    Args:
        number: of the trial.
        chosen: its base optimizer and method, as `Study.chosen` returns them.
        around: the study.
        key: the rule that picked it.
    """
    base_optimizer, method = chosen
    label = f"{method.name} trial {number}"
    row = BaselineRow.around(around, base_optimizer=base_optimizer, method=method, label=label, trial=number, key=key)
    return row.completed({})


def changed_rows(rows: Sequence[BaselineRow], known: Mapping[str, Mapping[str, Any]], folder: Path) -> dict[str, str]:
    """Return a line for each setting of a row that differs from the row trained in `folder` under its label, by key.

    `known` holds the trained rows by label, as the storage keeps them.
    """
    lines = {}
    for row in rows:
        for key in differing_keys(row.stored(), known.get(row.label, row.stored())):
            setting = f"{row.key}.{key.partition('.')[2]}"
            rule = f"differs from what {row.label} was trained with in {folder}"
            lines[setting] = problem(
                row.file, setting, None, rule, "restore the value, or take another label: or name:"
            )
    return lines


def read_rows(
    section: Baselines, around: Configuration, initial: Sequence[Point]
) -> tuple[tuple[BaselineRow, ...], list[Problem]]:
    """Return the rows of a study without those that are wrong, and the problems.

    A row's settings are its own; then the shared ones; then those of the study, where it fixes another value
    than the default, or tries one first, of a setting that the method has too; then the method's defaults.
    """
    named_rows = _named_rows(section, around)
    problems = [
        found
        for key, entry in named_rows.items()
        for found in check_name(entry, key, METHODS, any_name=around.custom_trainable)
    ]
    wrong_names = {each.key for each in problems}
    named_rows = {key: entry for key, entry in named_rows.items() if f"{key}.name" not in wrong_names}
    wrong = _check_shared(section.shared, list(named_rows.values()), around)
    shared = without(section.shared, "baselines.shared", wrong)
    problems += wrong
    of_study = {**_changed(around), **around.parameters.with_units(initial[0] if initial else {})}
    rows: list[BaselineRow] = []
    for key, entry in named_rows.items():
        row, wrong = _read_row(key, entry, shared, of_study, around)
        problems += wrong
        if wrong:
            continue
        if any(row.label == other.label for other in rows):
            rule = f"has the label {row.label}, like another row"
            problems.append(Problem(key, None, rule, "remove it, or set another label"))
        rows.append(row.completed({}))
    return tuple(rows), problems


def _changed(around: Configuration) -> dict[str, JsonValue]:
    """Return the settings that a study fixes at another value than the default, on purpose therefore."""
    defaults = around.parameters.defaults()
    return {name: value for name, value in around.fixed.items() if name not in defaults or value != defaults[name]}


def _named_rows(section: Baselines, around: Configuration) -> dict[str, NamedSettings]:
    """Return the names and settings of the rows, by the key of each."""
    if section.methods is not None:
        return {f"baselines.methods[{i}]": named(entry) for i, entry in enumerate(section.methods)}
    names = () if around.custom_trainable else tuple(METHODS)  # a custom trainable may know other methods
    return {f"baselines.methods[{name}]": named(name) for name in names}


def _check_shared(
    shared: Mapping[str, JsonValue], methods: Sequence[NamedSettings], around: Configuration
) -> list[Problem]:
    """Return the problems of the settings that all rows share; a custom method may have any."""
    base = around.base_optimizer.name
    known = {name: setting for each in methods for name, setting in Parameters(each.name, base).known.items()}
    accepts = any(each.name not in METHODS for each in methods)
    given = NamedSettings("", dict(shared))
    found = check_settings(
        given, known, "baselines.shared", accepts_unknown_settings=accepts, takes="these methods take"
    )
    return list(found)


def _read_row(
    key: str,
    entry: NamedSettings,
    shared: Mapping[str, JsonValue],
    of_study: Mapping[str, JsonValue],
    around: Configuration,
) -> tuple[BaselineRow, list[Problem]]:
    parameters = Parameters(entry.name, around.base_optimizer.name, at=key)
    known, custom = parameters.known, entry.name not in METHODS
    accepts = around.custom_trainable or custom
    own = {name: value for name, value in entry.settings.items() if name != "label"}
    taken = {
        **{name: value for name, value in of_study.items() if _is_same_setting(name, parameters, around)},
        **{name: value for name, value in shared.items() if name in known or custom},
    }
    problems = [
        *check_settings(replace(entry, settings=own), known, key, accepts_unknown_settings=accepts, more=["label"]),
        *check_settings(replace(entry, settings=taken), known, key, accepts_unknown_settings=True),
        *_check_label(entry, key),
    ]
    own = typed(own, known)
    settings = {**typed(taken, known), **own}
    row = BaselineRow.around(around, **parameters.split(settings), label=_label(entry, own), key=key)
    if not problems:  # what follows would report the same again
        problems = [*check_fixed({}, row, names=own), *check_constraints(row, {})]
    return row, problems


def _is_same_setting(name: str, parameters: Parameters, around: Configuration) -> bool:
    """Return whether a setting of the study is one of a row's too, and not only of the same name.

    The radius of ASAM, for one, is in other units than SAM's.
    """
    of_study = around.parameters.known.get(name)
    if of_study is None:  # of a custom method
        return parameters.method == around.method.name
    return parameters.known.get(name) == of_study


def _check_label(entry: NamedSettings, key: str) -> Iterator[Problem]:
    label = entry.settings.get("label")
    if label is not None and (not isinstance(label, str) or not label.strip() or "," in label):
        yield Problem(f"{key}.label", label, "must be text without commas", "write a few words, or leave it out")


def _label(entry: NamedSettings, own: Mapping[str, JsonValue]) -> str:
    """Return a row's label: the file's, or as in the paper's tables: the method, and the settings of this row."""
    if (label := entry.settings.get("label")) is not None:
        return str(label)
    changes = ", ".join(f"{name}={_text(value)}" for name, value in own.items())
    return f"{entry.name}({changes})" if changes else entry.name


def _text(value: JsonValue) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
