"""The generated parts of docs/methods.md: all methods at a glance, and facts and settings of each one."""

from collections.abc import Callable, Mapping

from tests.support.docs.markdown import code, table
from tests.support.docs.sections import yaml_value
from vsam_tune.registry.hyperparameter import Hyperparameter
from vsam_tune.registry.methods import METHODS, Method
from vsam_tune.study.file.method import rule


def at_a_glance() -> str:
    """Return the table of all methods, each with a link to its section."""
    rows = [
        (
            f"[{code(name)}](#{name})",
            f"{entry.gradient_evaluations:g}",
            f"{entry.forward_passes:g}",
            entry.cost,
            entry.memory,
            ", ".join(_fixed(entry)),
        )
        for name, entry in METHODS.items()
    ]
    return table(("name", "gradient evaluations", "forward passes", "in general", "memory", "fixed"), rows)


def facts_and_settings(name: str) -> str:
    """Return the facts of one method in METHODS as a list, and its settings as a table."""
    entry = METHODS[name]
    facts = {
        "Cost": f"{entry.cost}. At the defaults {_at_the_defaults(entry)}",
        "Memory": entry.memory,
        "Source": entry.source,
        "Choices": entry.choices,
    }
    listed = "".join(f"- **{fact}**: {text}.\n" for fact, text in facts.items() if text)
    return f"{listed}\n{_settings(name, entry)}"


def setting_row(name: str, setting: Hyperparameter) -> tuple[str, str, str, str, str]:
    """Return (name, default, rule, meaning, source) of a setting, as cells of a table."""
    what = rule(setting).removeprefix("must be ").removeprefix("a ")
    return code(name), code(yaml_value(setting.default)), what, setting.meaning, setting.source


def _at_the_defaults(entry: Method) -> str:
    passes = [_count(entry.gradient_evaluations, "gradient evaluation", "gradient evaluations")]
    if entry.forward_passes:
        passes.append(f"{_count(entry.forward_passes, 'forward pass', 'forward passes')} without a backward pass")
    waits = "; each iteration makes the host wait for a value of the device" if entry.synchronises else ""
    return f"{' and '.join(passes)} per iteration{waits}"


def _count(number: float, one: str, more: str) -> str:
    return f"{number:g} {one if number == 1 else more}"


def _settings(name: str, entry: Method) -> str:
    general = _generalised_by(name, entry)
    if general is not None:
        left_out = [
            code(key)
            for key in METHODS[general].hyperparameters
            if key not in entry.hyperparameters and key not in entry.fixed
        ]
        without = f", without {', '.join(left_out)}" if left_out else ""
        return f"Settings: those of {code(general)} with {', '.join(_fixed(entry))} fixed{without}.\n"
    if not entry.hyperparameters:
        return "Settings: only those of the base optimizer.\n"
    rows = [setting_row(key, setting) for key, setting in entry.hyperparameters.items()]
    return table(("setting", "default", "rule", "meaning", "source of the default"), rows)


def _generalised_by(name: str, entry: Method) -> str | None:
    """Return the method of which a preset is a special case; None for a method that is not a preset."""
    if not entry.fixed:
        return None
    return next(other for other, each in METHODS.items() if other != name and _is_of(entry, each))


def _is_of(preset: Method, general: Method) -> bool:
    return general.optimizer == preset.optimizer and set(preset.fixed) <= set(general.hyperparameters)


def _fixed(entry: Method) -> list[str]:
    return [code(f"{key}: {value}") for key, value in entry.fixed.items()]


METHOD_TABLES: Mapping[str, Callable[[], str]] = {
    "methods": at_a_glance,
    **{f"method {name}": lambda name=name: facts_and_settings(name) for name in METHODS},
}
