"""The rows of `baselines:`: the settings of a row, their origin, and its label."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from vsam_tune.errors import InputError
from vsam_tune.registry.methods import METHODS
from vsam_tune.study.baselines import BaselinesJob, baselines_plan, wanted_rows
from vsam_tune.study.file.baselines import BaselineRow, stored_row
from vsam_tune.study.file.study_file import Study, load_study

QUICK = {
    "name": "a",
    "task": {"epochs": 40, "batch_size": 64},
    "base_optimizer": {"name": "sgd", "lr": 0.1},
    "method": {"name": "vsam", "rho": 0.4, "interval": 16},
    "space": {"warmup_iterations": {"type": "int", "low": 1, "high": 100}},
    "initial": [{"beta": 0.2, "warmup_iterations": 50}, {"beta": 0.3}],
}


def study_of(folder: Path, **sections: Any) -> Study:
    file = folder / "a.yaml"
    file.write_text(yaml.safe_dump({**QUICK, **sections}))
    return load_study(file)


def rows_of(folder: Path, *methods: Any, **section: Any) -> dict[str, BaselineRow]:
    """Return the rows of a study with these entries, by label."""
    listed = {"methods": list(methods)} if methods else {}
    study = study_of(folder, baselines={**section, **listed})
    return {row.label: row for row in wanted_rows(study, root=folder)}


# ---- which rows there are


@pytest.mark.parametrize(
    "sections", [{}, {"baselines": None}, {"baselines": {"seeds": 2}}], ids=["none", "null", "seeds"]
)
def test_without_a_list_every_method_is_a_row(sections: dict[str, Any], tmp_path: Path) -> None:
    rows = wanted_rows(study_of(tmp_path, **sections), root=tmp_path)
    assert [row.label for row in rows] == [row.method.name for row in rows] == list(METHODS)


@pytest.mark.parametrize(
    ("entry", "label"),
    [
        ("vsam", "vsam"),
        ({"name": "vsam"}, "vsam"),
        ({"name": "vsam", "beta": 0.05}, "vsam(beta=0.05)"),
        ({"name": "vsam", "kappa": 1, "reuse": "geometric"}, "vsam(kappa=1, reuse=geometric)"),
        ({"name": "sam", "nesterov": True}, "sam(nesterov=true)"),
        ({"name": "saf", "lag_epochs": 2}, "saf(lag_epochs=2)"),
        ({"name": "vsam", "beta": 0.05, "label": "without much"}, "without much"),
    ],
)
def test_a_row_is_labelled_as_in_the_papers_tables(entry: Any, label: str, tmp_path: Path) -> None:
    assert list(rows_of(tmp_path, entry)) == [label]


def test_rows_are_chosen_by_label_or_method_and_each_once(tmp_path: Path) -> None:
    changed = {"name": "vsam", "beta": 0.05}
    study = study_of(tmp_path, baselines={"methods": ["sgd", "vsam", changed, {"name": "sam", "label": "mine"}]})

    def chosen(*names: str) -> list[str]:
        return [row.label for row in wanted_rows(study, root=tmp_path, methods=names)]

    assert chosen("mine", "sgd") == ["mine", "sgd"]
    assert chosen("vsam") == ["vsam", "vsam(beta=0.05)"]
    assert chosen("vsam(beta=0.05)", "vsam") == ["vsam(beta=0.05)", "vsam"]
    assert chosen("esam", "sgd") == ["esam", "sgd"]  # a method of which the file has no row
    with pytest.raises(InputError) as caught:
        chosen("sgd", "vsamm")
    assert str(caught.value) == "--methods: 'vsamm': is no row of the baselines. Fix: write vsam."


# ---- where settings come from


def test_a_row_takes_its_own_settings_then_shared_ones_then_the_studys_then_the_defaults(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "sam", {"name": "sam", "rho": 0.3}, "vsam", shared={"rho": 0.2})
    assert rows["sam"].method.settings == {"rho": 0.2}
    assert rows["sam(rho=0.3)"].method.settings == {"rho": 0.3}
    settings = rows["vsam"].method.settings
    assert (settings["rho"], settings["interval"], settings["kappa"]) == (0.2, 16, 0.7)
    assert rows_of(tmp_path, "sam")["sam"].method.settings == {"rho": 0.4}


def test_what_the_study_tries_first_is_the_rows_too(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "vsam", "vsam_a")
    for row in rows.values():
        assert (row.method.settings["beta"], row.method.settings["warmup_iterations"]) == (0.2, 50)


@pytest.mark.parametrize("method", ["asam", "msam"])
def test_a_setting_that_only_has_the_name_is_not_the_studys(method: str, tmp_path: Path) -> None:
    assert METHODS[method].hyperparameters["rho"] != METHODS["vsam"].hyperparameters["rho"]
    assert rows_of(tmp_path, method)[method].method.settings["rho"] == METHODS[method].hyperparameters["rho"].default
    assert rows_of(tmp_path, method, shared={"rho": 0.3})[method].method.settings["rho"] == 0.3


def test_a_setting_that_the_study_leaves_at_its_default_is_not_shared(tmp_path: Path) -> None:
    study = study_of(tmp_path, method={"name": "periodic_sam"}, space={"period": None}, initial=[])
    assert study.method.settings["period"] == 5
    rows = {row.label: row for row in wanted_rows(study, root=tmp_path, methods=["looksam", "sam"])}
    assert rows["looksam"].method.settings["period"] == METHODS["looksam"].hyperparameters["period"].default


def test_settings_of_the_base_optimizer_are_the_studys_or_the_rows_own(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "sgd", {"name": "sgd", "lr": 0.02}, "sam", shared={"momentum": 0.8})
    assert {label: row.base_optimizer.settings["lr"] for label, row in rows.items()} == {
        "sgd": 0.1,
        "sgd(lr=0.02)": 0.02,
        "sam": 0.1,
    }
    assert {row.base_optimizer.settings["momentum"] for row in rows.values()} == {0.8}


def test_a_searched_setting_of_the_base_optimizer_is_what_is_tried_first(tmp_path: Path) -> None:
    study = study_of(
        tmp_path, base_optimizer="sgd", space={"lr": True}, initial=[{"lr": 0.15}], baselines={"methods": ["sam"]}
    )
    assert [row.base_optimizer.settings["lr"] for row in wanted_rows(study, root=tmp_path)] == [0.15]


def test_a_preset_keeps_what_makes_it_one(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "sam_5", "periodic_sam", shared={"period": 3})
    assert rows["sam_5"].settings()["method"] == {"name": "sam_5", "rho": 0.4, "period": 5}
    assert rows["periodic_sam"].settings()["method"]["period"] == 3


def test_a_shared_setting_without_effect_in_a_row_is_left_out_of_it(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "vsam", {"name": "vsam", "reuse": "none"}, shared={"kappa": 0.6})
    assert rows["vsam"].method.settings["kappa"] == 0.6
    assert "kappa" not in rows["vsam(reuse=none)"].method.settings


def test_sgd_long_trains_longer_than_the_others(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "sgd", "sgd_long")
    epochs = {label: row.settings()["task"]["epochs"] for label, row in rows.items()}
    assert epochs == {"sgd": 40, "sgd_long": 80}


def test_a_custom_method_takes_the_settings_that_the_study_fixes_for_it(tmp_path: Path) -> None:
    study = study_of(
        tmp_path,
        trainable="mine:Toy",
        method={"name": "toy", "seconds": 0.5},
        space={"x": {"type": "float", "low": 0, "high": 1}},
        initial=[{"x": 0.25}],
        baselines={"shared": {"depth": 2}, "methods": ["toy", {"name": "toy", "x": 1}, {"name": "other", "y": [1]}]},
    )
    assert {row.label: row.method.settings for row in wanted_rows(study, root=tmp_path)} == {
        "toy": {"seconds": 0.5, "x": 0.25, "depth": 2},
        "toy(x=1)": {"seconds": 0.5, "x": 1, "depth": 2},
        "other(y=[1])": {"depth": 2, "y": [1]},
    }


def test_a_custom_method_can_be_a_row(tmp_path: Path) -> None:
    own = {"name": "mine:MySAM", "radius": 0.1}
    rows = rows_of(tmp_path, "sam", own, {**own, "label": "mine"}, shared={"momentum": 0.8, "rho": 0.2})
    assert list(rows) == ["sam", "mine:MySAM(radius=0.1)", "mine"]
    assert rows["mine"].stored()["method"] == {"name": "mine:MySAM", "rho": 0.2, "radius": 0.1}
    assert rows["mine"].base_optimizer.settings["momentum"] == 0.8


# ---- how a row is kept


@pytest.mark.parametrize("method", METHODS)
def test_a_row_is_the_same_once_it_was_stored(method: str, tmp_path: Path) -> None:
    study = study_of(tmp_path)
    (row,) = (each for each in wanted_rows(study, root=tmp_path, methods=[method]) if each.label == method)
    stored = row.stored()
    assert stored_row(method, stored, study).settings() == row.settings()
    assert stored_row(method, stored, study).stored() == stored
    assert stored["method"].keys() == {"name", *METHODS[method].hyperparameters, *METHODS[method].fixed}
    assert stored["base_optimizer"]["name"] == "sgd"


def test_the_resolved_study_has_the_same_rows(tmp_path: Path) -> None:
    methods = ["sgd", {"name": "vsam", "beta": 0.05}, {"name": "esam", "label": "mine"}, "asam"]
    study = study_of(tmp_path, baselines={"methods": methods, "shared": {"momentum": 0.8}})
    file = tmp_path / "resolved.yaml"
    file.write_text(yaml.safe_dump(study.resolved(), sort_keys=False))
    assert wanted_rows(load_study(file), root=tmp_path) == wanted_rows(study, root=tmp_path)
    for sections in ({}, {"method": "sam", "initial": [], "space": {}}):
        study = study_of(tmp_path, **sections)
        file.write_text(yaml.safe_dump(study.resolved(), sort_keys=False))
        assert load_study(file).baselines is None
        assert wanted_rows(load_study(file), root=tmp_path) == wanted_rows(study, root=tmp_path)


def test_other_baselines_make_no_other_search(tmp_path: Path) -> None:
    former = study_of(tmp_path).resolved()
    assert study_of(tmp_path, baselines={"methods": ["sam"], "seeds": 9}).differences(former) == []


def test_an_invalid_row_is_an_error_for_baselines_but_not_for_a_search(tmp_path: Path) -> None:
    short = {"method": {"name": "vsam", "interval": 4}, "space": {"num_slices": {"high": 2}}, "initial": []}
    study = study_of(tmp_path, **short)
    with pytest.raises(InputError) as caught:
        wanted_rows(study, root=tmp_path)
    key = "baselines.methods[vsam].interval"
    assert caught.value.lines[0].startswith(
        f"{study.file}: {key}: must be >= 2 * baselines.methods[vsam].num_slices for all values of both: 4 < 2 * 5."
    )
    study = study_of(tmp_path, **short, baselines={"shared": {"num_slices": 2}})
    assert len(wanted_rows(study, root=tmp_path)) == len(METHODS)


# ---- the plan


def test_the_plan_hands_over_each_rows_settings_and_the_seed_of_the_replicate(tmp_path: Path) -> None:
    study = study_of(tmp_path, baselines={"methods": ["sgd", "sam"], "seeds": 2})
    job = BaselinesJob(study=study, home=tmp_path, rows=wanted_rows(study, root=tmp_path))
    (plan,) = job.plans()
    assert plan.enqueued == job.wanted
    assert plan.enqueued == [
        {"label": "sgd", "replicate": 0},
        {"label": "sam", "replicate": 0},
        {"label": "sgd", "replicate": 1},
        {"label": "sam", "replicate": 1},
    ]
    configs = [plan.config(params, number) for number, params in enumerate(plan.enqueued)]
    assert [config["method"]["name"] for config in configs] == ["sgd", "sam", "sgd", "sam"]
    assert configs[0]["seed"] == configs[1]["seed"] != configs[2]["seed"] == configs[3]["seed"]
    assert all(config["final"] for config in configs)
    assert len(replace(job, seeds=5).wanted) == 10


def test_the_plan_knows_rows_of_former_starts(tmp_path: Path) -> None:
    study = study_of(tmp_path, baselines={"methods": ["sgd", {"name": "sam", "label": "gone", "rho": 0.3}]})
    former = baselines_plan(study, wanted_rows(study, root=tmp_path), [], earlier={})
    study = study_of(tmp_path, baselines={"methods": ["sgd", "vsam"]})
    plan = baselines_plan(study, wanted_rows(study, root=tmp_path), [], earlier=former.resolved["rows"])
    assert list(plan.resolved["rows"]) == ["sgd", "gone", "vsam"]
    assert plan.config({"label": "gone", "replicate": 0}, 0)["method"] == {"name": "sam", "rho": 0.3}
