"""Workers without Ray: the trainable, made and driven in this process."""

import pytest


@pytest.fixture(autouse=True)
def few_sam_steps(monkeypatch):
    """Time a trial beside 8 of SAM's steps instead of 60: tests/training/test_sam_probe.py shows how many there are."""
    from vsam_tune.training import sam_probe

    monkeypatch.setattr(sam_probe, "FEWEST_STEPS", 8)


@pytest.fixture
def new_worker(tmp_path, monkeypatch):
    """Return a function from the config of a first trial to a fresh worker that has set it up."""
    from ray.tune.trainable import trainable

    from trainables.classification import Classification

    monkeypatch.setattr(trainable, "DEFAULT_STORAGE_PATH", str(tmp_path / "ray"))
    workers = []

    def new(config):
        workers.append(Classification(config))
        return workers[-1]

    yield new
    for worker in workers:
        worker.cleanup()


@pytest.fixture
def checkpoint_always(monkeypatch):
    """Write a checkpoint every 3 iterations and at the end of each epoch."""
    from trainables import classification
    from vsam_tune.training import trainer

    monkeypatch.setattr(classification, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(trainer, "READ_INTERVAL", 3)
