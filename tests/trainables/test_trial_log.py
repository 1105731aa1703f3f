"""The log of a trial: records of the library, one file at a time, appended to."""

import logging

import pytest

from trainables.trial_log import TrialLog


@pytest.fixture
def log():
    log = TrialLog()
    yield log
    log.close()


def handlers():
    return [logging.getLogger(name).handlers[:] for name in ("vsam_tune", "trainables")]


@pytest.mark.parametrize("name", ["vsam_tune.training.trainer", "trainables.classification"])
def test_records_of_the_library_are_lines_with_time_and_level(name, log, tmp_path):
    log.open(tmp_path / "log.txt")
    logging.getLogger(name).info("resumed at iteration %d", 7)
    logging.getLogger("ray").warning("not ours")
    (line,) = (tmp_path / "log.txt").read_text().splitlines()
    date, _, level, message = line.split(maxsplit=3)
    assert len(date.split("-")) == 3
    assert (level, message) == ("INFO", "resumed at iteration 7")


def test_one_file_at_a_time(log, tmp_path):
    logger = logging.getLogger("vsam_tune")
    log.open(tmp_path / "first.txt")
    logger.info("first")
    log.open(tmp_path / "second.txt")
    logger.info("second")
    assert "second" not in (tmp_path / "first.txt").read_text()
    assert "first" not in (tmp_path / "second.txt").read_text()


def test_a_second_start_appends(log, tmp_path):
    logger = logging.getLogger("vsam_tune")
    for message in ("one", "two"):
        log.open(tmp_path / "log.txt")
        logger.info(message)
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert [line.split()[-1] for line in lines] == ["one", "two"]


def test_nothing_said_is_no_file_and_closing_leaves_no_handler(log, tmp_path):
    before = handlers()
    log.open(tmp_path / "log.txt")
    assert handlers() != before
    log.close()
    log.close()
    assert handlers() == before
    assert not (tmp_path / "log.txt").exists()
