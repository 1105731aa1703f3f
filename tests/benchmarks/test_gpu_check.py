"""The check of a GPU, at a tiny size on the CPU, in a Python that has only the packages that it asks for."""

import json
import subprocess
import sys

import pytest
import torch

from benchmarks import gpu_check

# Hides every package that none of the five requires.
ONLY_FIVE = """\
import importlib.metadata as metadata, re, sys
from importlib.machinery import PathFinder

def name_of(requirement):
    return re.sub("[-_.]+", "-", re.split("[ ;<>=!\\\\[~(]", requirement)[0]).lower()

allowed, waiting = set(), ["torch", "numpy", "scikit-learn", "Pillow", "pytorchcv"]
while waiting:
    name = name_of(waiting.pop())
    if name not in allowed:
        allowed.add(name)
        try:
            waiting += [each for each in metadata.requires(name) or () if "extra ==" not in each]
        except metadata.PackageNotFoundError:
            pass
owners = metadata.packages_distributions()

class Only(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        found = {name_of(each) for each in owners.get(name.partition(".")[0], ())}
        refused = found and not found & allowed and not name.startswith("vsam_tune")
        return None if refused else super().find_spec(name, path, target)

sys.meta_path[:] = [Only if each is PathFinder else each for each in sys.meta_path]
"""
PROGRAM = ONLY_FIVE + "from benchmarks.gpu_check import main\nsys.exit(main(sys.argv[1:]))\n"
METHODS = ["sgd", "sam", "vsam", "looksam", "esam"]


@pytest.mark.parametrize("package", ["ray", "optuna", "mlflow", "pandas", "pytorch_optimizer"])
def test_the_restricted_python_has_no_other_packages(package):
    program = f"{ONLY_FIVE}import {package}\n"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert f"No module named '{package}'" in ended.stderr


def test_the_whole_check_needs_five_packages_only(tmp_path):
    out = tmp_path / "gpu_check.json"
    command = [sys.executable, "-c", PROGRAM, "--device", "cpu", "--quick", "--parts", "times", "training"]
    ended = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    content = json.loads(out.read_text())
    assert list(content) == ["machine", "times", "training"]
    assert content["machine"]["device"] == "cpu"
    check_times(content["times"])
    check_training(content["training"])
    tables = [line for line in ended.stdout.splitlines() if line.startswith("| ")]
    assert len(tables) == 2 + len(content["times"]) + 2 + len(content["training"])


def check_times(rows):
    assert [(row["precision"], row["method"]) for row in rows] == [
        (precision, method) for precision in ("float32", "bfloat16") for method in METHODS
    ]
    for row in rows:
        assert row["f"] == (pytest.approx(0.2) if row["method"] in ("vsam", "looksam") else None)
        assert (row["time / ideal"] is None) == (row["f"] is None)
        assert row["ms"] > 0
    sgd, sam, vsam = rows[:3]
    assert sgd["time / SGD"]["value"] == sam["AIS / SAM"]["value"] == 1
    assert sam["AIS / SAM"]["value"] == pytest.approx(1)
    assert (sgd["memory / SGD"], sgd["memory, P"]) == (1, 0)
    assert vsam["memory, P"] >= 1  # the PSF, at least
    assert vsam["memory / SGD"] > 1


def check_training(rows):
    assert [row["method"] for row in rows] == ["sgd", "sam", "vsam"]
    sgd, sam, vsam = (row["f"] for row in rows)
    assert (sgd, sam) == (0, 1)
    assert 0 < vsam < 1
    assert all(0 <= row["test accuracy"] <= 100 and row["AIS"] > 0 for row in rows)


def test_without_a_gpu_one_line_says_so(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu_check.main([]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == (
        "gpu_check: --device = 'cuda': torch finds no GPU on this machine. "
        "Fix: use another machine, or try --device cpu --quick.\n"
    )


def test_data_that_cannot_be_read_is_one_line(tmp_path, capsys):
    arguments = ["--device", "cpu", "--quick", "--parts", "training", "--data", f"npz:{tmp_path / 'no.npz'}"]
    assert gpu_check.main(arguments) == 2
    assert "no.npz: there is no such file. Fix: " in capsys.readouterr().err


@pytest.mark.parametrize(("expression", "state", "code"), [("True", "passed", 0), ("False", "failed", 1)])
def test_gpu_tests_decide_the_exit_code(monkeypatch, tmp_path, expression, state, code):
    repository(tmp_path, expression)
    monkeypatch.setattr(gpu_check, "REPOSITORY", tmp_path)
    out = tmp_path / "gpu_check.json"
    assert gpu_check.main(["--device", "cpu", "--parts", "tests", "--out", str(out)]) == code
    found = json.loads(out.read_text())["tests"]
    assert found["state"] == state
    assert f"1 {state}" in found["summary"]
    assert "1 deselected" in found["summary"]


def repository(root, expression):
    """Write a repository with a test for a GPU, one in the same file for any device, and one in another folder."""
    for folder in ("optimizers", "study"):
        (root / "tests" / folder).mkdir(parents=True)
    text = f"import pytest\n@pytest.mark.gpu\ndef test_gpu(): assert {expression}\ndef test_other(): assert False\n"
    (root / "tests" / "optimizers" / "test_a.py").write_text(text)
    (root / "tests" / "study" / "test_b.py").write_text(text)
    (root / "pyproject.toml").write_text("[tool.pytest.ini_options]\nmarkers = ['gpu: needs CUDA']\n")


def test_without_pytest_the_tests_do_not_run(monkeypatch):
    monkeypatch.setattr(gpu_check, "find_spec", lambda name: None if name == "pytest" else object())
    assert gpu_check.gpu_tests() == {"state": "not run", "summary": "not installed: pytest"}


def test_the_gpu_tests_of_this_repository_are_found():
    files = [
        file for folder in gpu_check.TESTED for file in (gpu_check.REPOSITORY / "tests" / folder).rglob("test_*.py")
    ]
    marked = {file.name for file in files if "pytest.mark.gpu" in file.read_text()}
    everywhere = {
        file.name
        for file in (gpu_check.REPOSITORY / "tests").rglob("test_*.py")
        if "\n@pytest.mark.gpu\n" in file.read_text()
    }
    assert marked == everywhere
    assert "test_second_pass.py" in marked
