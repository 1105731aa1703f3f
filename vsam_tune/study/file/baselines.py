"""`baselines:`, the methods that a study is compared with: one row each, everything fixed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field, JsonValue
from typing_extensions import override

from search_spaces.schema import Strict
from vsam_tune.errors import problem
from vsam_tune.registry.methods import METHODS
from vsam_tune.study.file.configuration import Configuration
from vsam_tune.study.file.constraints import Limits
from vsam_tune.study.file.differences import differing_keys
from vsam_tune.study.file.hyperparameters import NamedSettings, Parameters
from vsam_tune.study.file.initial_points import Point
from vsam_tune.study.file.method import check_settings, is_preset, read_named
from vsam_tune.study.file.problems import Problems
from vsam_tune.study.file.space import check_fixed


class Baselines(Strict):
    """`baselines:`, what a study is compared with.

    Attributes:
        seeds: replicates of each row.
        shared: settings of every method that takes them, where its row has none of its own.
        methods: names, or mappings of `name`, settings of the row's own and a `label`; None for every method.
    """

    seeds: int = Field(3, ge=1, description="write a number of replicates, such as 3")
    shared: dict[str, JsonValue] = Field({}, description="write settings by name, such as {rho: 0.1}")
    methods: tuple[JsonValue, ...] | None = Field(
        None, strict=False, min_length=1, description="write a list such as [sgd, {name: vsam, beta: 0.05}]"
    )


@dataclass(frozen=True, kw_only=True)
class Row(Configuration):
    """A row of the comparison: a configuration, everything fixed, under its label.

    Attributes:
        label: the method's name, with the settings of its own in parentheses; or what the file says.
        trial: number of the search's trial that it is; None for a method of the list.
        key: where it stands in the study file; two that differ in it alone are equal.
    """

    label: str
    trial: int | None = None
    key: str = field(default="", compare=False)

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


def stored_row(label: str, stored: Mapping[str, Any], around: Configuration) -> Row:
    """Return a row as the storage keeps it, on the task of a study."""
    method, base = dict(stored["method"]), dict(stored["base_optimizer"])
    name = method.pop("name")
    fixed = METHODS[name].fixed if name in METHODS else {}
    return Row(
        file=around.file,
        task=around.task,
        trainable=around.trainable,
        base_optimizer=NamedSettings(base.pop("name"), base),
        method=NamedSettings(name, {key: value for key, value in method.items() if key not in fixed}),
        label=label,
        trial=stored["trial"],
    )


def trial_row(number: int, chosen: tuple[NamedSettings, NamedSettings], around: Configuration, *, key: str) -> Row:
    """Return the row of a trial of the search, on the task of a study.

    Args:
        number: of the trial.
        chosen: its base optimizer and method, as `Study.chosen` returns them.
        around: the study.
        key: what chose it.
    """
    base_optimizer, method = chosen
    row = Row(
        file=around.file,
        task=around.task,
        trainable=around.trainable,
        base_optimizer=base_optimizer,
        method=method,
        label=f"{method.name} trial {number}",
        trial=number,
        key=key,
    )
    return row.completed({})


def changed_rows(rows: Sequence[Row], known: Mapping[str, Mapping[str, Any]], folder: Path) -> dict[str, str]:
    """Return a line for each setting of a row that differs from what was trained under its label, by its key.

    Args:
        rows: to be trained.
        known: rows that were trained, by label, as the storage keeps them.
        folder: where.
    """
    lines = {}
    for row in rows:
        for key in differing_keys(row.stored(), known.get(row.label, row.stored())):
            setting = f"{row.key}.{key.partition('.')[2]}"
            rule = f"differs from what {row.label} was trained with in {folder}"
            lines[setting] = problem(row.file, setting, None, rule, "what it was, or another label: or name:")
    return lines


def read_rows(
    section: Baselines, around: Configuration, initial: Sequence[Point], problems: Problems
) -> tuple[Row, ...]:
    """Return the rows of a study; what is wrong is added, and such rows left out.

    A row's settings are its own; then the shared ones; then those of the study itself, where it fixes another value
    than the default, or tries one first, of a setting that the method has too; then the method's defaults.

    Args:
        section: as read.
        around: the study.
        initial: its starting points.
        problems: where errors go.
    """
    entries = section.methods
    if entries is None:
        entries = () if around.custom_trainable else tuple(METHODS)  # nobody knows what a trainable of one's own can do
    named = [
        (key, read)
        for i, entry in enumerate(entries)
        if (read := _read_entry(entry, key := _key(i, entry, section), around, problems)) is not None
    ]
    shared = _read_shared(section, [read for _, read in named], around, problems)
    of_study = {**_changed(around), **(initial[0] if initial else {})}
    rows: list[Row] = []
    for key, read in named:
        row = _read_row(key, read, shared, of_study, around, problems)
        if row is None:
            continue
        if any(row.label == other.label for other in rows):
            rule = f"is labelled {row.label}, as another row is"
            problems.add(key, None, rule, "leave it out, or give it another label:")
        rows.append(row)
    return tuple(rows)


def _key(i: int, entry: object, section: Baselines) -> str:
    return f"baselines.methods[{entry if section.methods is None else i}]"


def _read_entry(entry: JsonValue, key: str, around: Configuration, problems: Problems) -> NamedSettings | None:
    if isinstance(entry, dict) and "name" not in entry:
        problems.add(f"{key}.name", None, "is missing", "write {name: sam}, and settings of its own beside it")
        return None
    return read_named(entry, key, METHODS, None if around.custom_trainable else "sam", problems, own=True)


def _changed(around: Configuration) -> dict[str, JsonValue]:
    """Return what a study fixes at another value than the default, which is what its file says on purpose."""
    defaults = around.parameters.defaults()
    return {name: value for name, value in around.fixed.items() if name not in defaults or value != defaults[name]}


def _read_shared(
    section: Baselines, methods: Sequence[NamedSettings], around: Configuration, problems: Problems
) -> dict[str, JsonValue]:
    base = around.base_optimizer.name
    known = {name: setting for each in methods for name, setting in Parameters(each.name, base).known.items()}

    def unknown(name: str) -> bool:
        if all(each.name in METHODS for each in methods):
            problems.unknown(f"baselines.shared.{name}", name, known, "these methods take")
            return False
        return True

    return check_settings(section.shared, known, "baselines.shared", problems, unknown)


def _read_row(
    key: str,
    read: NamedSettings,
    shared: Mapping[str, JsonValue],
    of_study: Mapping[str, JsonValue],
    around: Configuration,
    problems: Problems,
) -> Row | None:
    """Return a row; None after adding what is wrong with it."""
    wrong = len(problems.lines)
    given = {name: value for name, value in read.settings.items() if name != "label"}
    parameters = Parameters(read.name, around.base_optimizer.name, at=key)
    accepts_unknown_settings = around.custom_trainable or read.name not in METHODS

    def unknown(name: str) -> bool:
        if is_preset(name, given[name], f"{key}.{name}", parameters, problems):
            return False
        if not accepts_unknown_settings:
            problems.unknown(f"{key}.{name}", name, ["label", *parameters.known], f"{read.name} takes")
        return accepts_unknown_settings

    own = check_settings(given, parameters.known, key, problems, unknown)
    taken = {
        **{name: value for name, value in of_study.items() if _is_same_setting(name, parameters, around)},
        **{name: value for name, value in shared.items() if name in parameters.known or read.name not in METHODS},
    }
    settings = {**check_settings(taken, parameters.known, key, problems, lambda _: True), **own}
    row = Row(
        file=around.file,
        task=around.task,
        trainable=around.trainable,
        base_optimizer=NamedSettings(around.base_optimizer.name, _part(settings, parameters, of_base=True)),
        method=NamedSettings(read.name, _part(settings, parameters, of_base=False)),
        label=_label(read, own, key, problems),
        key=key,
    )
    if len(problems.lines) == wrong:  # what follows would tell the same again
        check_fixed({}, row, problems, names=own)
        Limits(row, {}).check(problems)
    return row.completed({}) if len(problems.lines) == wrong else None


def _part(settings: Mapping[str, JsonValue], parameters: Parameters, *, of_base: bool) -> dict[str, JsonValue]:
    return {name: value for name, value in settings.items() if (name in parameters.of_base) == of_base}


def _is_same_setting(name: str, parameters: Parameters, around: Configuration) -> bool:
    """Return whether a setting of the study is one of a row's, and not another one of the same name.

    The radius of ASAM, for one, is in other units than SAM's.
    """
    theirs = around.parameters.known.get(name)
    if theirs is None:  # of a method of one's own
        return parameters.method == around.method.name
    return parameters.known.get(name) == theirs


def _label(read: NamedSettings, own: Mapping[str, JsonValue], key: str, problems: Problems) -> str:
    """Return a row's label: the file's, or the method and what is set for this row, as the paper's tables have it."""
    label = read.settings.get("label")
    if label is None:
        changes = ", ".join(f"{name}={_text(value)}" for name, value in own.items())
        return f"{read.name}({changes})" if changes else read.name
    if not isinstance(label, str) or not label.strip() or "," in label:
        problems.add(f"{key}.label", label, "must be text without commas", "write a few words, or leave it out")
    return str(label)


def _text(value: JsonValue) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
