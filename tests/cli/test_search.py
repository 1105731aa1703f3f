"""`vsam-tune search` where no trial runs; tests/study/test_search.py and test_runner_kill.py have the others."""

import argparse
import shutil
from pathlib import Path

import pytest

from tests.support.ended_study import STUDY, Searched
from tests.support.toy_study import on_disk, write_toy
from vsam_tune.cli.arguments import load_chosen_study
from vsam_tune.cli.main import main
from vsam_tune.study.execution.folder_lock import locked
from vsam_tune.study.file.study_file import load_study
from vsam_tune.study.scheduling.budget import Limit
from vsam_tune.study.scheduling.searcher import suggest_params
from vsam_tune.study.search import limits_of, search_plan
from vsam_tune.study.storage.study_storage import StudyStorage


@pytest.fixture
def copied(searched: Searched, tmp_path: Path) -> Searched:
    """The study in a place of its own, to be changed."""
    shutil.copytree(searched.root, tmp_path / "runs")
    shutil.copy(searched.file, tmp_path / "mine.yaml")
    return Searched(tmp_path / "mine.yaml", tmp_path / "runs", tmp_path / "runs" / "mine")


def test_a_finished_study_prints_its_front_and_says_how_to_go_on(
    copied: Searched, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", str(copied.file), "--root", str(copied.root)]) == 0
    out, err = capsys.readouterr()
    assert "2 trials are on the front of mine (3 complete, 1 pruned, 1 fail)" in out
    assert f"vsam-tune front mine --pick knee --export --root {copied.root}" in out
    assert "vsam-tune train" not in out  # its file does not exist yet
    finished, failed = err.splitlines()
    assert finished == "mine is finished: 3 complete, 1 pruned. A larger budget continues it: --trials N"
    assert failed == f"mine: trials that failed: 3. Fix: vsam-tune show mine 3 --root {copied.root} shows the reason"


def test_a_study_that_differs_is_refused_with_its_keys(copied: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    copied.file.write_text(STUDY.replace("epochs: 3", "epochs: 4").replace("max_rate: 1.0", "rho: 0.2"))
    assert main(["search", str(copied.file), "--root", str(copied.root)]) == 2
    out, err = capsys.readouterr()
    fix = "restore the value, or take another name:"
    rule = f"differs from the study that was started in {copied.folder}"
    keys = {"method.max_rate": (1.0, 0.8), "method.rho": (0.05, 0.2), "task.epochs": (3, 4)}
    assert (out, err.splitlines()) == (
        "",
        [f"{copied.file}: {key}: {rule} ({then} there, {now} here). Fix: {fix}." for key, (then, now) in keys.items()],
    )


def test_a_study_that_another_process_searches_is_refused(copied: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    with locked(copied.folder):
        assert main(["search", str(copied.file), "--root", str(copied.root)]) == 2
    line = f"{copied.folder}: another process works on this study. Fix: wait until it has finished, or end it.\n"
    assert capsys.readouterr() == ("", line)


def test_no_resume_refuses_a_study_that_exists_and_touches_nothing(
    copied: Searched, capsys: pytest.CaptureFixture[str]
) -> None:
    before = copied.result
    assert main(["search", str(copied.file), "--root", str(copied.root), "--no-resume"]) == 2
    line = f"{copied.file}: name = 'mine': {copied.folder} exists. Fix: another name:, or --root DIR; nothing is ever"
    assert capsys.readouterr() == ("", f"{line} deleted.\n")
    assert copied.result == before


def test_settings_of_a_started_study_may_repeat_it_and_change_its_budget(
    copied: Searched, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether the file or its stored definition is named: the repeated command goes on."""
    for study, settings in (
        (str(copied.file), ["budget.trials=3"]),
        ("mine", ["task.epochs=3", "budget.trials=3", "resources.retries=0"]),
    ):
        assert main(["search", study, "--root", str(copied.root), *settings]) == 0
        assert "mine is finished: 3 complete, 1 pruned." in capsys.readouterr().err


def arguments(study: object, root: Path, *settings: str) -> argparse.Namespace:
    return argparse.Namespace(study=str(study), root=root, settings=list(settings))


def test_another_name_starts_another_study_from_a_stored_definition(copied: Searched) -> None:
    study = load_chosen_study(arguments("mine", copied.root, "name=other", "task.epochs=7"))
    assert (study.name, study.epochs, study.space) == ("other", 7, load_study(copied.file).space)


def test_another_name_begins_with_the_built_in_study(tmp_path: Path) -> None:
    """A started study of its name goes before it without that setting, and the repeated command must not differ."""
    short = load_chosen_study(arguments("quickstart", tmp_path, "task.epochs=2"))
    folder = tmp_path / "quickstart"
    folder.mkdir()
    StudyStorage.open(folder, "quickstart", objectives=short.objectives, resolved=short.resolved())
    assert load_chosen_study(arguments("quickstart", tmp_path)).epochs == 2
    other = load_chosen_study(arguments("quickstart", tmp_path, "name=other"))
    assert (other.name, other.epochs) == ("other", 40)


def test_settings_may_follow_options(copied: Searched, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--root", str(copied.root), str(copied.file), "--workers", "1", "budget.trials=3"]) == 0
    assert "mine is finished" in capsys.readouterr().err


def test_a_study_out_of_patience_says_so_and_which_patience_continues_it(
    copied: Searched, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its trials ended in the order of their numbers: 0 and 1 are on the front, 2 is dominated, 4 diverged."""
    argv = ["search", str(copied.file), "--root", str(copied.root)]
    assert main([*argv, "budget={trials: null, patience: 2}"]) == 0
    line = "mine is finished: 3 complete, 1 pruned; the last 2 raised the hypervolume by 0.0 %."
    assert capsys.readouterr().err.splitlines()[0] == f"{line} A larger budget continues it: budget.patience=3"
    assert main([*argv, "budget={trials: 4, patience: 2}"]) == 0
    last = capsys.readouterr().err.splitlines()[0]
    assert last == f"{line} A larger budget continues it: --trials N budget.patience=3"
    study = load_chosen_study(arguments(copied.file, copied.root, "budget={trials: null, patience: 3}"))
    assert limits_of(study, root=copied.root) == []


def test_a_study_that_was_not_started_has_reached_no_limit(copied: Searched, tmp_path: Path) -> None:
    assert limits_of(load_chosen_study(arguments(copied.file, tmp_path)), root=tmp_path / "empty") == []


def test_an_exhausted_grid_proposes_no_larger_budget(
    copied: Searched, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = [Limit("grid", "every point of the grid was tried", None)]
    monkeypatch.setattr("vsam_tune.study.search.limits_of", lambda *_, **__: limits)
    assert main(["search", str(copied.file), "--root", str(copied.root)]) == 0
    first = capsys.readouterr().err.splitlines()[0]
    assert first == "mine is finished: 3 complete, 1 pruned; every point of the grid was tried"


def test_a_grid_that_is_exhausted_has_no_larger_budget(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    space = {"x": {"type": "float", "low": -1.5, "high": 1.5, "step": 1.5}}
    file = write_toy(tmp_path, sampler={"kind": "grid"}, space=space, budget={"trials": 4})
    plan = search_plan(load_study(file))
    storage = on_disk(plan, tmp_path / "runs" / "toy")
    for _ in range(3):
        trial = storage.ask()
        suggest_params(trial, plan.space, {})
        storage.complete(trial, [1.0, 2.0], {"epoch": 4, "loss": 1.0, "cost": 2.0})
    assert main(["search", str(file), "--root", str(tmp_path / "runs")]) == 0
    assert "toy is finished: 3 complete, 0 pruned; every point of the grid was tried\n" in capsys.readouterr().err
