import json

import pytest

from tests.support.ended_study import DIVERGED, FAILED, STUDY, VALUES, Searched
from tests.support.toy_study import on_disk
from tests.support.without_ray import end_with
from vsam_tune.study.file.study_file import load_study
from vsam_tune.study.scheduling.failures import Consequence, Failure
from vsam_tune.study.scheduling.searcher import OptunaSearcher
from vsam_tune.study.search import search_plan


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """Three complete trials, of which two make the front, one that failed and one that diverged."""
    base = tmp_path_factory.mktemp("searched")
    file, root = base / "mine.yaml", base / "runs"
    file.write_text(STUDY)
    plan = search_plan(load_study(file))
    storage = on_disk(plan, root / "mine")
    searcher = OptunaSearcher(storage, plan, folder=(root / "mine"), workers=9, stamps={})
    for number in range(4):
        searcher.suggest(str(number))
    searcher.note_failure(str(FAILED), Failure("Traceback\nValueError: so", Consequence.FAIL))
    searcher.on_trial_complete(trial_id=str(FAILED), error=True)
    searcher.suggest(str(DIVERGED))
    storage.record_rung(searcher.trial("0"), 1, {"val_accuracy": 55.5})
    for number, (accuracy, ais) in enumerate(VALUES):
        result = {"epoch": 3, "iteration": 54, "val_accuracy": accuracy, "ais": ais, "sampled_fraction": 0.25}
        end_with(searcher, str(number), result)
    end_with(searcher, str(DIVERGED), {"epoch": 1, "diverged": 20})
    point = storage.result().effective_reference_point()
    assert point is not None
    storage.fix_reference_point(point)
    trial = (root / "mine") / "trials" / "00000"
    trial.mkdir(parents=True)
    points = [{"epoch": epoch, "iteration": 18 * epoch, "ais": 1000.0, "time_ms": epoch} for epoch in (1, 2, 3)]
    (trial / "learning_curve.jsonl").write_text("".join(json.dumps(point) + "\n" for point in points))
    (trial / "log.txt").write_text("2026-01-01 INFO said so\n")
    return Searched(file, root, (root / "mine"))
