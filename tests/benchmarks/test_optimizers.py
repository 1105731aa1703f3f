"""The command: every contender in the table, continued rounds, invalid input."""

import json

import pytest
import torch
from torch import nn

from benchmarks.contenders import contenders
from benchmarks.methods_table import COLUMNS, Goal
from benchmarks.optimizers import main
from benchmarks.peak_memory import peak_bytes
from benchmarks.ratios import Estimate
from benchmarks.recording import Recording
from benchmarks.session import record_peaks
from benchmarks.settings_table import SETTINGS
from tests.support.tiny_trial import closure_of, wrap

TINY = ["--batch", "2", "--warmup", "1", "--rounds", "2"]
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _threads_as_before():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_the_table_has_a_row_for_every_contender(capsys, tmp_path):
    file = tmp_path / "methods.json"
    assert main([*TINY, "--skip-memory", "--out", str(file)]) == 0
    printed = capsys.readouterr().out
    known = contenders(interval=3)
    lines = [line for line in printed.splitlines() if line.startswith("| ")]
    assert [cell.strip() for cell in lines[0].strip("|").split("|")] == list(COLUMNS)
    assert [line.split("|")[1].strip() for line in lines[1:]] == [each.title for each in known.values()]
    assert "load average" in printed.splitlines()[2]
    content = json.loads(file.read_text())
    assert [set(each) for each in content["rounds"]] == [set(known)] * 2


def test_the_order_of_a_round_is_drawn_anew(tmp_path):
    file = tmp_path / "methods.json"
    main([*TINY[:-1], "6", "--skip-memory", "--contenders", "vsam", "--out", str(file)])
    orders = {tuple(each) for each in json.loads(file.read_text())["rounds"]}
    assert len(orders) > 1


def test_a_second_call_continues_the_first_one(tmp_path, capsys):
    file = tmp_path / "methods.json"
    few = ["--skip-memory", "--contenders", "looksam", "--out", str(file)]
    assert main([*TINY, *few]) == 0
    before = json.loads(file.read_text())
    assert main([*TINY[:-1], "3", *few]) == 0
    after = json.loads(file.read_text())
    assert after["rounds"][:2] == before["rounds"]
    assert [session["first_round"] for session in after["sessions"]] == [0, 2]
    assert len(after["rounds"]) == 3
    assert main([*TINY, *few]) == 0  # nothing is left to measure
    assert json.loads(file.read_text()) == after
    capsys.readouterr()
    assert main([*TINY[:-1], "4", *few, "--interval", "5"]) == 2
    assert "interval" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--contenders", "sam,samm"],
        ["--table", "settings", "--settings", "warm"],
        ["--rounds", "0"],
        ["--warmup", "0"],
        ["--interval", "1"],
    ],
)
def test_an_unknown_name_is_an_error_of_one_line(arguments, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "Fix: " in error


def test_the_settings_have_a_separate_table(capsys):
    chosen = "contiguous,bfloat16,micro_batches_2"
    assert main([*TINY, "--table", "settings", "--settings", chosen]) == 0
    printed = capsys.readouterr().out
    for key in chosen.split(","):
        assert f"| {SETTINGS[key].title} " in printed
    assert "torch.compile" not in printed
    assert "update: fused" in printed


def test_peaks_of_memory_are_those_of_the_allocations():
    def run():
        held = [torch.zeros(1000) for _ in range(3)]
        held.pop()
        held.append(torch.zeros(10))

    assert peak_bytes(run, CPU) == 3 * 4000
    assert peak_bytes(run, CPU) == 3 * 4000


def test_extra_memory_agrees_with_the_registry():
    known = {key: each for key, each in contenders(interval=2).items() if key in ("sgd", "sam", "vsam")}
    recording = Recording.opened(None, {})
    record_peaks(recording, known, model="resnet8", device=CPU)
    peaks, weights = recording.content["peak_bytes"], 4 * 78_042
    copies = {key: (peaks[key] - peaks["sgd"]) / weights for key in known}
    assert copies["sam"] == pytest.approx(1, abs=0.1)  # the weights while perturbed
    assert copies["vsam"] == pytest.approx(2, abs=0.1)  # and the PSF


@pytest.mark.parametrize(("name", "copies"), [("sam", 1), ("msam", 2), ("asam", 2)])
def test_where_activations_are_small_the_copies_before_a_forward_pass_show(name, copies):
    def peak(method):
        network = nn.Sequential(*(nn.Linear(200, 200) for _ in range(24)))
        base, points = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9), torch.ones(4, 200)

        def run():
            optimizer = wrap(method, base, model=network)
            for _ in range(4):
                optimizer.step(closure_of(optimizer, lambda _: network(points).square().mean(dim=1)))

        return peak_bytes(run, CPU)

    weights = 4 * 24 * (200 * 200 + 200)
    assert (peak(name) - peak("sgd")) / weights == pytest.approx(copies, abs=0.1)


@pytest.mark.parametrize(
    ("goal", "found", "verdict"),
    [
        (Goal(column="", bound=2.02), Estimate(2.0, 1.9, 2.1), "reached"),
        (Goal(column="", bound=2.02), Estimate(2.03, 2.01, 2.1), "open"),
        (Goal(column="", bound=2.02), Estimate(2.03, float("nan"), float("nan")), "open"),
        (Goal(column="", bound=2.02), Estimate(2.1, 2.05, 2.2), "missed"),
        (Goal(column="", bound=1.5, at_most=False), Estimate(1.6, 1.4, 1.7), "reached"),
        (Goal(column="", bound=1.5, at_most=False), Estimate(1.4, 1.3, 1.6), "open"),
        (Goal(column="", bound=1.5, at_most=False), Estimate(1.4, 1.3, 1.45), "missed"),
    ],
)
def test_goals_are_judged_by_value_and_interval(goal, found, verdict):
    assert goal.verdict(found) == verdict
