"""A study whose search ended, for the commands that read one: what the fixture `searched` makes."""

from dataclasses import dataclass
from pathlib import Path

from vsam_tune.analysis.results import StudyResult
from vsam_tune.study.storage.stored_study import load_result

STUDY = """\
name: mine
task: {data: digits, model: cnn, epochs: 3}
method: {name: vsam, max_rate: 1.0}
objectives: [val_accuracy, ais]
initial: []
sampler: {kind: random}
budget: {trials: 4}
"""
VALUES = [(90.0, 1000.0), (95.0, 600.0), (85.0, 500.0)]  # of trials 0 to 2; trial 2 is dominated
FAILED, DIVERGED = 3, 4


@dataclass(frozen=True)
class Searched:
    """A study whose search ended, without a training.

    Attributes:
        file: the study file.
        root: the folder of its folder.
        folder: its folder.
    """

    file: Path
    root: Path
    folder: Path

    @property
    def result(self) -> StudyResult:
        return load_result("mine", self.root)
