"""`vsam-tune plot`: one file that needs no network, and one line where it cannot be written."""

import argparse
import importlib.util
import re
import shutil
import subprocess
import sys

import plotly.graph_objects as go
import pytest

from dashboards import plot
from tests.support.fake_baselines import baselines
from vsam_tune.analysis.results import Objective, StudyResult, TrialRecord
from vsam_tune.errors import InputError
from vsam_tune.study.storage import stored_study

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture
def study(monkeypatch):
    """A study of three trials under the name `mine`, in place of one in a storage."""
    trials = [
        TrialRecord(number=n, state="complete", params={}, values={"val_accuracy": a, "ais": s}, metrics={})
        for n, (a, s) in enumerate([(90.0, 2000.0), (95.0, 1800.0), (96.0, 1000.0)])
    ]
    objectives = (Objective("val_accuracy", "maximize"), Objective("ais", "maximize"))
    result = StudyResult(name="mine", objectives=objectives, trials=tuple(trials), reference_point=None, study={})
    asked = []

    def load_result(study, root):
        asked.append((study, root))
        return result

    monkeypatch.setattr(stored_study, "load_result", load_result)
    return asked


def parsed(*words):
    parser = argparse.ArgumentParser()
    plot.add_arguments(parser)
    return parser.parse_args([str(word) for word in words])


def refusal(*words):
    with pytest.raises(InputError) as caught:
        plot.run(parsed(*words))
    (line,) = caught.value.lines
    return line


def test_arguments(tmp_path):
    arguments = parsed("mine", "--out", tmp_path / "front.html", "--root", tmp_path)
    assert (arguments.study, arguments.out, arguments.root) == ("mine", tmp_path / "front.html", tmp_path)
    assert str(parsed("mine", "--out", "x.html").root) == "runs"


def test_html_holds_its_script_and_loads_nothing(study, tmp_path, capsys):
    out = tmp_path / "front.html"
    assert plot.run(parsed("mine", "--out", out, "--root", tmp_path)) == 0
    assert capsys.readouterr() == ("", f"wrote the front of mine to {out}\n")
    page = out.read_text(encoding="utf-8")
    assert study == [("mine", tmp_path)]
    assert "plotly.js v" in page
    assert not re.search(r"<script[^>]*\bsrc=|<link\b|<img[^>]*\bsrc=\"http", page)
    assert "mine: 3 of 3 completed trials on the front" in page


def test_the_baselines_are_drawn_where_they_are_asked_for(monkeypatch, tmp_path, capsys):
    made = baselines({"sam": [95.0, 96.0], "sgd": [90.0, 91.0]})
    monkeypatch.setattr(stored_study, "load_baselines", lambda _study, _root: made)
    out = tmp_path / "baselines.html"
    assert plot.run(parsed("mine", "--baselines", "--out", out)) == 0
    assert capsys.readouterr().err == f"wrote the baselines of mine to {out}\n"
    assert "mine: what 2 methods reach, and what they take" in out.read_text(encoding="utf-8")


@pytest.mark.usefixtures("study")
def test_html_has_no_button_that_uploads_the_study(tmp_path):
    out = tmp_path / "front.html"
    plot.run(parsed("mine", "--out", out))
    assert '"showSendToCloud": false' in out.read_text(encoding="utf-8")


@pytest.mark.usefixtures("study")
def test_the_same_study_gives_the_same_bytes(tmp_path):
    for name in ("a.html", "b.html"):
        plot.run(parsed("mine", "--out", tmp_path / name))
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.usefixtures("study")
def test_html_draws_in_a_browser(tmp_path):
    out = tmp_path / "front.html"
    plot.run(parsed("mine", "--out", out))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--dump-dom"]
    command = [CHROMIUM, *options, f"--user-data-dir={tmp_path / 'profile'}", out.as_uri()]
    page = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "knee: trial 1" in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert len(re.findall(r'<path class="point', page)) >= 4  # three on the front, one around the knee


def test_what_is_wrong_with_the_file_is_said_before_the_study_is_read(study, tmp_path):
    assert refusal("mine", "--out", tmp_path / "front.pdf").endswith(
        "must end in .html or .png. Fix: write --out front.html."
    )
    assert "its folder does not exist. Fix: mkdir -p" in refusal("mine", "--out", tmp_path / "no" / "f.html")
    assert study == []


@pytest.mark.usefixtures("study")
def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "front.html").mkdir()
    assert "front.html': cannot be written: Is a directory." in refusal("mine", "--out", tmp_path / "front.html")


@pytest.mark.usefixtures("study")
def test_a_png_without_kaleido_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    line = refusal("mine", "--out", tmp_path / "front.png")
    assert line.endswith(
        "a PNG needs kaleido, which is not installed. Fix: install kaleido with pip, or write --out FILE.html."
    )


@pytest.mark.usefixtures("study")
def test_a_png_with_kaleido_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: object())
    monkeypatch.setattr(go.Figure, "to_image", lambda _figure, **options: repr(options["format"]).encode())
    assert plot.run(parsed("mine", "--out", tmp_path / "front.png")) == 0
    assert (tmp_path / "front.png").read_bytes() == b"'png'"


@pytest.mark.usefixtures("study")
def test_kaleido_without_a_browser_says_what_to_install(tmp_path, monkeypatch):
    def to_image(_figure, **_options):
        raise RuntimeError("Kaleido requires Google Chrome")

    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: object())
    monkeypatch.setattr(go.Figure, "to_image", to_image)
    assert "found no browser" in refusal("mine", "--out", tmp_path / "front.png")
    assert not (tmp_path / "front.png").exists()


def test_declaring_the_command_imports_nothing_heavy():
    code = (
        "import argparse, sys, dashboards.plot as plot; plot.add_arguments(argparse.ArgumentParser()); "
        "print({'plotly', 'optuna', 'torch', 'ray', 'mlflow', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
