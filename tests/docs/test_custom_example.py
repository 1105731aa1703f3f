"""The reader and the network of docs/data-and-models.md train as that page says."""

import sys
from pathlib import Path

import pytest

from tests.support.docs.pages import ROOT, blocks
from vsam_tune.data.load import load_task
from vsam_tune.models.build import count_parameters
from vsam_tune.study.file.study_file import Study, load_study

PAGE = blocks(ROOT / "docs" / "data-and-models.md")
MODULE = next(text for language, text in PAGE if language == "python" and "def build" in text)
STUDY = next(text for language, text in PAGE if language == "yaml")


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """Write the files of the page to an importable folder, and return its study."""
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "stripes.yaml").write_text(STUDY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    return load_study(tmp_path / "stripes.yaml")


def test_the_reader_gives_a_task(study: Study) -> None:
    data = load_task(study.task.data, validation_fraction=study.task.validation_fraction)
    assert data.validation is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (384, 96, 120)
    assert (data.num_classes, data.in_channels, data.image_size) == (4, 1, 12)


def test_the_network_is_built_and_learns(study: Study) -> None:
    from tests.support.digits_trial import trial_config
    from trainables.build import build_trainer, data_arguments, load_data

    settings = study.settings(dict(study.initial[0]))
    config = {**trial_config(""), **settings}
    data = load_data(data_arguments(config))
    trainer, evaluation = build_trainer(config, data)
    assert count_parameters(trainer.model) == 16 * 9 + 16 + 2 * 16 + 16 * 36 * 4 + 4
    for _ in range(study.epochs):
        trainer.train_epoch()
    assert trainer.evaluate(evaluation)[0] > 90
