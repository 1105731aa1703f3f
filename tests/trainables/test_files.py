"""What a trial leaves in its folder: a log, the error that ended it, a checkpoint that it resumes from."""

import errno

import pytest

from tests.support.digits_trial import end_of, saved_in, steps, trial_config, without_ais
from tests.support.full_disk import fill_disk
from tests.support.methods import others_slow
from tests.support.tiny_trial import equal_state
from vsam_tune.errors import InputError
from vsam_tune.registry.methods import METHODS


class CrashError(BaseException):
    """Ends a trial as a signal would: nothing catches it."""


def crash_in(worker, iteration):
    """Train, and crash in the middle of an iteration."""

    def crash(module, _):
        if module.training and worker.trainer.iteration == iteration:
            raise CrashError

    worker.trainer.model.register_forward_pre_hook(crash)
    with pytest.raises(CrashError):
        steps(worker)


@pytest.mark.usefixtures("checkpoint_always")
@pytest.mark.parametrize("final", [False, True])
@pytest.mark.parametrize("name", others_slow(METHODS))
def test_a_trial_goes_on_from_the_checkpoint_in_its_folder(name, final, new_worker, tmp_path):
    straight = new_worker(trial_config(tmp_path / "0", name, final=final))
    results, end = steps(straight), end_of(straight)
    crash_in(new_worker(trial_config(tmp_path / "1", name, final=final)), 19)
    resumed = new_worker(trial_config(tmp_path / "1", name, final=final))
    assert resumed.trainer.iteration == 18  # within an epoch of 5, or of 7
    assert "resumed at iteration 18" in (tmp_path / "1" / "log.txt").read_text()
    assert without_ais(steps(resumed)) == without_ais(results[2 if final else 3 :])
    assert equal_state(end_of(resumed), end)
    tables = [(tmp_path / number / "trajectory.parquet").read_bytes() for number in "01"]
    assert tables[0] == tables[1]


@pytest.mark.parametrize("name", ["vsam", "sgd"])
def test_a_trial_that_was_paused_reports_its_epoch_again_and_goes_on_bit_for_bit(name, new_worker, tmp_path):
    straight = new_worker(trial_config(tmp_path / "0", name))
    results, end = steps(straight), end_of(straight)
    paused = new_worker({**trial_config(tmp_path / "1", name), "pause_epochs": [2, 4]})
    first = [paused.step(), paused.step()]
    paused.cleanup()
    promoted = new_worker({**trial_config(tmp_path / "1", name), "pause_epochs": [2, 4]})
    assert promoted.trainer.epoch == 2
    again = steps(promoted)
    assert without_ais(again[:1]) == without_ais(first[1:])
    assert without_ais(first + again[1:]) == without_ais(results)
    assert equal_state(end_of(promoted), end)


@pytest.mark.usefixtures("checkpoint_always")
def test_a_reused_worker_resumes_as_well(new_worker, tmp_path):
    straight = new_worker(trial_config(tmp_path / "0"))
    end = steps(straight) and end_of(straight)
    crash_in(new_worker(trial_config(tmp_path / "1")), 19)
    worker = new_worker(trial_config(tmp_path / "2", "sam", seed=4))
    worker.step()
    worker.reset_config(trial_config(tmp_path / "1"))
    assert worker.trainer.iteration == 18
    steps(worker)
    assert equal_state(end_of(worker), end)


def test_a_final_training_whose_report_was_lost_reports_again(new_worker, tmp_path):
    config = trial_config(tmp_path, final=True)
    result = steps(new_worker(config))[-1]
    assert equal_state(steps(new_worker(config)), [result])  # nothing is trained or timed again


def test_within_checkpoint_seconds_none_is_written(new_worker, tmp_path, monkeypatch):
    from trainables import classification

    now = [100.0]
    monkeypatch.setattr(classification.time, "monotonic", lambda: now[0])
    worker = new_worker(trial_config(tmp_path))
    written = []
    for seconds in (10.0, 19.0, 2.0, 28.0, 1.0):
        now[0] += seconds
        worker.step()
        written.append((tmp_path / "checkpoint.pt").exists())
        (tmp_path / "checkpoint.pt").unlink(missing_ok=True)
    assert written == [False, False, True, False, False]
    assert classification.CHECKPOINT_SECONDS == 30


@pytest.mark.usefixtures("checkpoint_always")
def test_a_full_disk_costs_a_checkpoint_and_no_training(new_worker, tmp_path, caplog, monkeypatch):
    straight = new_worker(trial_config(tmp_path / "0"))
    results = steps(straight)
    worker = new_worker(trial_config(tmp_path / "1"))
    fill_disk(monkeypatch, "checkpoint.pt")  # the first checkpoint alone
    caplog.clear()
    assert without_ais(steps(worker)) == without_ais(results)
    assert caplog.text.count("no checkpoint at iteration 3") == 1
    assert caplog.text.count("no checkpoint") == 1
    assert saved_in(tmp_path / "1")["trainer"]["iteration"] == 27
    assert equal_state(end_of(worker), end_of(straight))


def test_a_final_checkpoint_that_cannot_be_kept_is_an_error(new_worker, tmp_path, monkeypatch):
    worker = new_worker(trial_config(tmp_path, final=True))
    fill_disk(monkeypatch, "checkpoint.pt")
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the errno says it
        steps(worker)
    assert errno.ENOSPC in (caught.value.errno, getattr(caught.value.__cause__, "errno", errno.ENOSPC))
    assert "checkpoint.pt" in (tmp_path / "error.txt").read_text()


@pytest.mark.parametrize("name", others_slow(METHODS))
def test_the_checkpoints_that_ray_asks_for_are_exact(name, new_worker, tmp_path):
    straight = new_worker(trial_config(tmp_path / "0", name))
    results = steps(straight)
    first = new_worker(trial_config(tmp_path / "1", name))
    first.step()
    first.step()
    (tmp_path / "saved").mkdir()
    first.save_checkpoint(str(tmp_path / "saved"))
    other = new_worker(trial_config(tmp_path / "2", name))
    other.load_checkpoint(str(tmp_path / "saved"))
    assert without_ais(steps(other)) == without_ais(results[2:])
    assert equal_state(end_of(other), end_of(straight))


@pytest.mark.parametrize("nothing", [None, ""])
def test_ray_having_no_checkpoint_leaves_the_trial_as_it_is(nothing, new_worker, tmp_path):
    worker = new_worker(trial_config(tmp_path))
    worker.load_checkpoint(nothing)
    assert worker.trainer.iteration == 0


def test_a_checkpoint_that_is_none_is_an_error_in_the_folder(new_worker, tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"cut")
    with pytest.raises(RuntimeError, match=r"checkpoint\.pt: not a checkpoint"):
        new_worker(trial_config(tmp_path))
    assert "not a checkpoint" in (tmp_path / "error.txt").read_text()


def test_what_ends_a_trial_is_in_its_folder_until_it_starts_again(new_worker, tmp_path, monkeypatch):
    worker = new_worker(trial_config(tmp_path))
    assert not (tmp_path / "error.txt").exists()
    monkeypatch.setattr(worker.trainer, "evaluate", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        worker.step()
    error = (tmp_path / "error.txt").read_text()
    assert error.startswith("Traceback")
    assert error.rstrip().endswith("ZeroDivisionError: division by zero")
    assert steps(new_worker(trial_config(tmp_path)))[-1]["done"]
    assert not (tmp_path / "error.txt").exists()


def test_data_that_are_not_there_are_an_error_in_the_folder(new_worker, tmp_path):
    folder = tmp_path / "trials" / "0"  # not there yet
    with pytest.raises(InputError):
        new_worker(trial_config(folder, data=f"npz:{tmp_path}/missing.npz"))
    assert "missing.npz" in (folder / "error.txt").read_text()


def test_each_trial_of_a_worker_has_its_own_log(new_worker, tmp_path):
    never = {"interval": 40}
    worker = new_worker(trial_config(tmp_path / "0", "vsam", method=never))
    steps(worker)
    worker.reset_config(trial_config(tmp_path / "1", "sgd", lr=1e30))
    steps(worker)
    worker.reset_config(trial_config(tmp_path / "2", "sgd"))
    steps(worker)
    worker.reset_config(trial_config(tmp_path / "3"))
    logs = [lines_of(tmp_path / str(number) / "log.txt") for number in range(3)]
    assert [len(lines) for lines in logs] == [1, 1, 0]
    assert "WARNING the sampling rate never adapted" in logs[0][0]
    assert "WARNING diverged" in logs[1][0]


def lines_of(log):
    """Return the lines of a log, but for those that the neighbours on this machine can cause."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [line for line in lines if "no ais_vs_sam" not in line]
