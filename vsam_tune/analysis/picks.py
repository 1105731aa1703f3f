"""The rules of `front --pick`: each chooses one complete trial of a study (docs/search.md)."""

import math
from collections.abc import Callable, Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, Context
from typing import NamedTuple

from vsam_tune.analysis.results import Objective, StudyResult, TrialRecord
from vsam_tune.errors import InputError, nearest, problem

_ROUNDING = 1e-12  # of a value: 95.0 - 94.8 is 0.2 for people, and 0.2000000000000028 in binary
_SHOWN_DIGITS = 4  # of the best value that a front reaches, or more if others are as close
_ALL_DIGITS = 17  # of a float
_OPTION = "--pick"


class Asked(NamedTuple):
    """A rule as it was written.

    Attributes:
        key: the text before the =.
        objective: the name in the key, such as `ais` in `min-ais`; empty without one.
        value: the text after the =.
    """

    key: str
    objective: str
    value: str


class PickRule(NamedTuple):
    """One rule.

    Attributes:
        form: how it is written, as the help shows it.
        choose: returns the trial, or raises InputError.
    """

    form: str
    choose: Callable[[StudyResult, Asked], TrialRecord]


def pick(result: StudyResult, rule: str) -> TrialRecord:
    """Return the trial that a rule of `front --pick` chooses.

    Args:
        result: of a study.
        rule: one of `PICK_FORMS`.

    Returns:
        A complete trial. All rules except `trial=N` choose from the front.

    Raises:
        InputError: if the rule is unknown, or chooses no complete trial.
    """
    key, _, value = rule.partition("=")
    kind, dash, objective = key.partition("-")
    if kind + dash not in PICKS:
        raise InputError(problem(_OPTION, "", rule, f"must be one of {', '.join(PICK_FORMS)}", f"write {_OPTION} knee"))
    return PICKS[kind + dash].choose(result, Asked(key, objective, value))


def _knee(result: StudyResult, asked: Asked) -> TrialRecord:
    """Return the trial at the knee of the front."""
    if asked.value:
        raise InputError(problem(_OPTION, "knee", asked.value, "takes no value", f"write {_OPTION} knee"))
    number = result.knee()
    return next(trial for trial in _front(result, asked.key) if trial.number == number)


def _trial(result: StudyResult, asked: Asked) -> TrialRecord:
    """Return any complete trial by its number."""
    fix = f"take one that vsam-tune trials {result.name} lists as complete"
    chosen = [trial for trial in result.trials if str(trial.number) == asked.value]
    if not chosen:
        rule = f"must be the number of one of the {len(result.trials)} trials of {result.name}"
        raise InputError(problem(_OPTION, "trial", asked.value, rule, fix))
    if chosen[0].state != "complete":
        rule = f"must be complete, but its state is {chosen[0].state}"
        raise InputError(problem(_OPTION, "trial", chosen[0].number, rule, fix))
    return chosen[0]


def _within(result: StudyResult, asked: Asked) -> TrialRecord:
    """Return the best trial in objective 2 of those that lose at most so much to the best one in objective 1."""
    first = result.objectives[0]
    most = _number(asked, f"a number >= 0, in the unit of {first.name}", example="0.2", low=0.0)
    front = _front(result, asked.key)
    values = {trial.number: trial.values[first.name] for trial in front}
    best = values[front[0].number]
    slack = {number: most + _ROUNDING * max(abs(value), abs(best)) for number, value in values.items()}
    kept = [trial for trial in front if abs(values[trial.number] - best) <= slack[trial.number]]
    return _best(result, kept, bounded=first)


def _at_least(result: StudyResult, asked: Asked) -> TrialRecord:
    """Return the best trial of those on the front with at least this value of an objective."""
    return _bounded(result, asked, sign=1.0)


def _at_most(result: StudyResult, asked: Asked) -> TrialRecord:
    """Return the best trial of those on the front with at most this value of an objective."""
    return _bounded(result, asked, sign=-1.0)


# By the text before the name of an objective, or before the =.
PICKS: dict[str, PickRule] = {
    "knee": PickRule("knee", _knee),
    "trial": PickRule("trial=N", _trial),
    "within": PickRule("within=X", _within),
    "min-": PickRule("min-NAME=V", _at_least),
    "max-": PickRule("max-NAME=V", _at_most),
}
PICK_FORMS = tuple(rule.form for rule in PICKS.values())

_SHORT = {"ais": "ais_vs_sam"}  # where only the second is an objective


def _best(result: StudyResult, trials: Iterable[TrialRecord], *, bounded: Objective) -> TrialRecord:
    """Return the best trial in objective 1, of equal ones in objective 2, and so on; then the lowest number.

    choice: the objective that the rule bounds comes last. The user said how much of it is enough.
    """
    order = sorted(result.objectives, key=lambda each: each == bounded)  # stable
    return min(trials, key=lambda trial: (*(each.sign * trial.values[each.name] for each in order), trial.number))


def _bounded(result: StudyResult, asked: Asked, *, sign: float) -> TrialRecord:
    """Return the best trial of those on the front with at least (sign 1) or at most (-1) a value of an objective."""
    front = _front(result, asked.key)
    objective = _objective(result, asked, front[0])
    values = {trial.number: trial.values[objective.name] for trial in front}
    bound = _number(asked, "a number", example=f"{values[front[0].number]:.{_SHOWN_DIGITS}g}")
    kept = [trial for trial in front if sign * values[trial.number] >= sign * bound]
    if not kept:
        closest = max(values, key=lambda number: sign * values[number])
        value = _rounded(values[closest], values.values(), sign)
        relation, end = (">=", "highest") if sign > 0 else ("<=", "lowest")
        there = f"no trial on the front of {result.name} has {objective.name} {relation} {asked.value}"
        rule = f"{there}; the {end} is {value} (trial {closest})"
        raise InputError(problem(_OPTION, asked.key, bound, rule, f"write {_OPTION} {asked.key}={value}"))
    return _best(result, kept, bounded=objective)


def _rounded(closest: float, values: Iterable[float], sign: float) -> str:
    """Return a bound that the closest value keeps and no smaller one, with as few digits as that takes."""
    others = [value for value in values if value != closest]
    for digits in range(_SHOWN_DIGITS, _ALL_DIGITS):
        context = Context(prec=digits, rounding=ROUND_FLOOR if sign > 0 else ROUND_CEILING)
        text = f"{context.create_decimal(repr(closest)):f}"
        if not any(sign * value >= sign * float(text) for value in others):
            return text
    return repr(closest)


def _objective(result: StudyResult, asked: Asked, example: TrialRecord) -> Objective:
    """Return the objective that a rule names; its error takes a missing value from an example."""
    names = [each.name for each in result.objectives]
    name = asked.objective if asked.objective in names else _SHORT.get(asked.objective, asked.objective)
    if name not in names:
        bound = asked.key.partition("-")[0]
        near = nearest(asked.objective, names) or names[0]
        rule = f"must name an objective of {result.name}: {', '.join(names)}"
        value = asked.value or f"{example.values[near]:.{_SHOWN_DIGITS}g}"
        raise InputError(problem(_OPTION, "", asked.key, rule, f"write {_OPTION} {bound}-{near}={value}"))
    return result.objectives[names.index(name)]


def _number(asked: Asked, rule: str, *, example: str, low: float = -math.inf) -> float:
    """Return the value of a rule as a finite number."""
    try:
        number = float(asked.value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < low:
        fix = f"write {_OPTION} {asked.key}={example}"
        raise InputError(problem(_OPTION, asked.key, asked.value, f"must be {rule}", fix))
    return number


def _front(result: StudyResult, rule: str) -> tuple[TrialRecord, ...]:
    """Return the front, which has a trial."""
    front = result.front()
    if not front:
        text = f"must name a complete trial, but {result.name} has none"
        raise InputError(problem(_OPTION, "", rule, text, f"run vsam-tune search {result.name} first"))
    return front
