from importlib.resources import files

import pytest
import yaml

from search_spaces.loader import base_space, default_space
from search_spaces.schema import CategoricalDimension, Dimension
from vsam_tune.registry.base_optimizers import BASE_OPTIMIZERS
from vsam_tune.registry.methods import METHODS


@pytest.mark.parametrize("base", BASE_OPTIMIZERS)
@pytest.mark.parametrize("method", METHODS)
def test_a_default_space_names_parameters_of_its_method(method: str, base: str) -> None:
    space = default_space(method, base)
    known = {**METHODS[method].hyperparameters, **BASE_OPTIMIZERS[base].settings}
    assert space.searched
    assert not set(space.searched) & set(space.optional)
    assert {*space.searched, *space.optional} <= set(known)
    assert set(base_space(base)) <= {*space.searched, *space.optional}


@pytest.mark.parametrize("method", METHODS)
def test_a_default_range_contains_the_default(method: str) -> None:
    space = default_space(method)
    known = {**METHODS[method].hyperparameters, **BASE_OPTIMIZERS["sgd"].settings}
    for name, dimension in {**space.searched, **space.optional}.items():
        default, fraction = known[name].default, known[name].fraction
        assert dimension.contains(default if fraction is None else fraction), name


def test_vsam_searches_the_four_of_the_paper() -> None:
    space = default_space("vsam")
    assert list(space.searched) == ["beta", "kappa", "num_slices", "warmup_iterations"]
    assert {"rho", "max_rate", "max_age", "interval", "reuse"} <= set(space.optional)
    assert space.searched["kappa"].contains(0.99)


@pytest.mark.parametrize("reuse", ["geometric", "none"])
def test_kappa_exists_where_the_psf_is_reused(reuse: str) -> None:
    assert default_space("vsam").searched["kappa"].applies({"reuse": reuse}) == (reuse != "none")


def test_true_in_a_method_is_the_range_of_its_base_optimizer() -> None:
    for base in BASE_OPTIMIZERS:
        assert default_space("sgd", base).searched["lr"] == base_space(base)["lr"]


@pytest.mark.parametrize("method", METHODS)
def test_conditions_name_parameters_of_the_method(method: str) -> None:
    space = default_space(method)
    dimensions: dict[str, Dimension] = {**space.searched, **space.optional}
    for dimension in dimensions.values():
        for other, wanted in (dimension.when or {}).items():
            matched = dimensions[other]
            assert isinstance(matched, CategoricalDimension)
            assert set(wanted) <= set(matched.choices)


@pytest.mark.parametrize("stem", [*METHODS, "base_optimizer"])
def test_each_range_says_where_it_comes_from(stem: str) -> None:
    text = (files("search_spaces") / f"{stem}.yaml").read_text(encoding="utf-8")
    lines = text.splitlines()
    ranges = [i for i, line in enumerate(lines) if "{type:" in line]
    assert all(lines[i - 1].strip().startswith("# ") for i in ranges)
    assert lines[0].startswith("# ")
    assert yaml.safe_load(text)
