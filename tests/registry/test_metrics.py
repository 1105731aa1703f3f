import pytest

from vsam_tune.registry.metrics import DIRECTIONS, METRICS, SHOWN, metric_of
from vsam_tune.study.file.objectives import CUSTOM_OBJECTIVES, DEFAULT_OBJECTIVES


def test_the_default_objectives_have_directions() -> None:
    default = {*DEFAULT_OBJECTIVES, *CUSTOM_OBJECTIVES}
    assert {each.name: each.direction for each in default}.items() <= DIRECTIONS.items()
    assert METRICS.keys() >= {*DIRECTIONS, *SHOWN}


def test_the_test_accuracy_is_no_objective_by_name() -> None:
    """A search must not see the test set."""
    assert METRICS["test_accuracy"].direction is None


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_has_a_title_and_a_meaning_of_one_line(name: str) -> None:
    entry = METRICS[name]
    assert entry.title
    assert entry.meaning
    assert "\n" not in entry.meaning
    assert not entry.meaning.endswith(".")


def test_a_standard_error_has_the_decimals_of_its_metric() -> None:
    assert metric_of("ais_error").decimals == metric_of("ais_seed_error").decimals == METRICS["ais"].decimals
    assert metric_of("ais_error").unit == "images/s"


def test_an_unknown_metric_is_its_own_title() -> None:
    for name in ("flips", "flips_error"):
        unknown = metric_of(name)
        assert (unknown.axis_title, unknown.decimals, unknown.direction, unknown.shown) == (name, None, None, False)
