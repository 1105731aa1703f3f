import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.loader import default_space
from search_spaces.schema import CategoricalDimension, FloatDimension
from vsam_tune.registry.base_optimizers import BASE_OPTIMIZERS
from vsam_tune.registry.hyperparameter import Hyperparameter
from vsam_tune.registry.methods import METHODS
from vsam_tune.study.file.hyperparameters import Parameters, can_exist
from vsam_tune.study.file.initial_points import check_initial, default_initial, typed_initial
from vsam_tune.study.file.method import allows, is_number, rule
from vsam_tune.study.file.space import Space, merge, to_dict

DEFAULTS = default_space("vsam")
KNOWN = [*DEFAULTS.searched, *DEFAULTS.optional]
RANGE = {"type": "float", "low": 0.25, "high": 0.75}
ENTRIES = st.dictionaries(st.sampled_from(KNOWN), st.sampled_from([True, None, RANGE]))


def valid(entries: dict[str, object]) -> dict[str, object]:
    return {name: entry for name, entry in entries.items() if entry is not None or name in DEFAULTS.searched}


def merged(entries: dict[str, object]) -> Space:
    space, problems = merge(entries, DEFAULTS)
    assert problems == []
    return space


@given(entries=ENTRIES)
def test_null_takes_out_true_switches_on_the_rest_stays(entries: dict[str, object]) -> None:
    entries = valid(entries)
    space = merged(entries)
    assert set(space) == {*DEFAULTS.searched, *entries} - {name for name in entries if entries[name] is None}
    for name, dimension in space.items():
        default = DEFAULTS.searched.get(name) or DEFAULTS.optional[name]
        if entries.get(name) in (None, True):
            assert dimension == default
        else:
            assert (dimension.type, dimension.when) == ("float", default.when)


@given(entries=ENTRIES, order=st.randoms(use_true_random=False))
def test_the_order_of_entries_changes_nothing(entries: dict[str, object], order: object) -> None:
    entries = valid(entries)
    names = list(entries)
    order.shuffle(names)  # type: ignore[attr-defined] # hypothesis' Random
    shuffled = {name: entries[name] for name in names}
    assert merged(entries) == merged(shuffled)


@given(entries=ENTRIES)
def test_what_is_written_out_merges_to_the_same(entries: dict[str, object]) -> None:
    space = merged(valid(entries))
    removed = {name: None for name in DEFAULTS.searched if name not in space}
    again = {name: to_dict(dimension) for name, dimension in space.items()}
    assert merged({**again, **removed}) == space


@given(low=st.floats(0.001, 0.4))
def test_a_mapping_without_a_type_changes_the_keys_it_has(low: float) -> None:
    space = merged({"beta": {"low": low}})
    assert space["beta"] == DEFAULTS.searched["beta"].model_copy(update={"low": low})


def test_a_condition_can_be_taken_off() -> None:
    assert merged({"kappa": {"when": None}})["kappa"].when is None


@pytest.mark.parametrize("entry", [False, 3, "beta", [0.1, 0.3]])
def test_other_entries_are_refused(entry: object) -> None:
    _, problems = merge({"beta": entry}, DEFAULTS)
    assert len(problems) == 1


@pytest.mark.parametrize("base", BASE_OPTIMIZERS)
@pytest.mark.parametrize("method", METHODS)
def test_defaults_keep_their_own_rules(method: str, base: str) -> None:
    for name, known in Parameters(method, base).known.items():
        assert allows(known, known.default), name


@pytest.mark.parametrize(
    ("known", "allowed", "refused", "said"),
    [
        (
            Hyperparameter(default=4, meaning="", low=1),
            [1, 9],
            [0, 1.5, True, "4", None],
            "must be a whole number >= 1",
        ),
        (Hyperparameter(default=0.5, meaning=""), [-1, 3.5], [float("nan"), float("inf"), 10**400], "must be a number"),
        (
            Hyperparameter(default=0.5, meaning="", low=0, high=1, positive=True),
            [1, 0.1],
            [0, 1.1],
            "must be a number > 0 and <= 1",
        ),
        (Hyperparameter(default=False, meaning=""), [True], [1, "true"], "must be true or false"),
        (Hyperparameter(default="a", meaning="", choices=("a", "b")), ["b"], ["c", 1], "must be one of a, b"),
    ],
)
def test_a_setting_allows_what_its_rule_says(
    known: Hyperparameter, allowed: list[object], refused: list[object], said: str
) -> None:
    assert all(allows(known, value) for value in allowed)
    assert not any(allows(known, value) for value in refused)
    assert rule(known) == said


@given(value=st.one_of(st.integers(), st.floats()))
def test_a_number_is_one_that_a_float_can_hold(value: float) -> None:
    try:
        holds = abs(float(value)) < float("inf")
    except OverflowError:
        holds = False
    assert is_number(value) == holds


def test_whole_numbers_for_a_range_of_fractions_are_iterations() -> None:
    def bounds(entry: dict[str, object]) -> tuple[str, float, float]:
        dimension = merge({"warmup_iterations": entry}, DEFAULTS, {"warmup_iterations"})[0]["warmup_iterations"]
        assert not isinstance(dimension, CategoricalDimension)
        return dimension.type, dimension.low, dimension.high

    assert bounds({"low": 36, "high": 360}) == ("int", 36, 360)
    assert bounds({"high": 100}) == ("int", 1, 100)
    assert bounds({"low": 0.1}) == ("float", 0.1, 0.5)
    assert bounds({"high": 1}) == ("float", 0.005, 1)


def test_the_default_starting_point_leaves_out_what_is_out_of_range() -> None:
    space = merged({"warmup_iterations": {"high": 0.01}, "reuse": True})
    defaults = Parameters("vsam", "sgd").defaults()
    (point,) = default_initial(space, defaults)
    assert point == {"beta": 0.13, "kappa": 0.7, "num_slices": 5, "reuse": "geometric"}
    beyond = merged({"rho": {"low": 0.2}})
    assert default_initial({"rho": beyond["rho"]}, defaults) == ()


def test_a_starting_point_may_be_partial_and_takes_whole_numbers_for_real_ones() -> None:
    space = {"rho": FloatDimension(type="float", low=0, high=2)}
    assert list(check_initial([{"rho": 1}], space, {})) == []
    (point,) = typed_initial([{"rho": 1}], space)
    assert point == {"rho": 1.0}
    assert isinstance(point["rho"], float)
    assert list(check_initial([], space, {})) == []


def test_a_parameter_can_exist_if_its_condition_can_hold() -> None:
    kappa = DEFAULTS.searched["kappa"]
    assert can_exist(kappa, {}, {"reuse": "geometric"})
    assert not can_exist(kappa, {}, {"reuse": "none"})
    assert not can_exist(kappa, {}, {})
    both = kappa.model_copy(update={"when": {"reuse": ("none",), "num_slices": (9,)}})
    assert not can_exist(both, {"num_slices": DEFAULTS.searched["num_slices"]}, {"reuse": "none"})
    assert can_exist(kappa, {"reuse": DEFAULTS.optional["reuse"]}, {})
