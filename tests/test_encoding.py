"""All text files are UTF-8, also where the locale is C and Python's UTF-8 mode is off."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("vsam_tune", "trainables", "dashboards", "search_spaces", "benchmarks")
TEXT = "5 \u00b5m, \u00df"  # micro sign, sharp s

# everything that a driver, a worker and a command write and read again, in the order of a search
SEARCH = """
import logging, sys
from pathlib import Path
from tests.support.toy_study import TRAINABLE, on_disk
from tests.support.without_ray import end_with
from trainables.error_file import with_error_file
from trainables.trial_log import TrialLog
from vsam_tune.cli.main import main
from vsam_tune.study.execution.runner import export_definition
from vsam_tune.study.file.study_file import load_study
from vsam_tune.study.scheduling.failures import Consequence, Failure
from vsam_tune.study.scheduling.searcher import OptunaSearcher
from vsam_tune.study.search import search_plan
from vsam_tune.study.storage.learning_curve import append_point, repair_curve, read_curve
from vsam_tune.study.storage.stored_study import load_result

folder, text = Path(sys.argv[1]), sys.stdin.buffer.read().decode("utf-8")
root = folder / "runs"
(folder / "toy.yaml").write_bytes(f'''
name: toy
trainable: {TRAINABLE}
method: {{name: toy, note: "{text}"}}
task: {{epochs: 4}}
space: {{x: {{type: float, low: -1.5, high: 1.5}}}}
objectives: [{{name: loss, direction: minimize}}, {{name: cost, direction: minimize}}]
initial: [{{x: 0.5}}]
sampler: {{kind: random}}
budget: {{trials: 2}}
'''.encode("utf-8"))
plan = search_plan(load_study(folder / "toy.yaml"))
home = root / "toy"
searcher = OptunaSearcher(on_disk(plan, home), plan, folder=home, workers=2, stamps={})
trials = [home / "trials" / f"0000{number}" for number in range(2)]
for number, trial in enumerate(trials):
    trial.mkdir(parents=True)
    searcher.suggest(str(number))
export_definition(plan, home)
end_with(searcher, "0", {"epoch": 4, "loss": 1.0, "cost": 2.0})

class Worker:
    folder = trials[1]

    @with_error_file
    def step(self):
        raise ValueError(text)

try:
    Worker().step()
except ValueError:
    pass
assert text in searcher.note_failure("1", Failure("", Consequence.FAIL)).text
searcher.on_trial_complete(trial_id="1", error=True)
log = TrialLog()
log.open(trials[0] / "log.txt")
logging.getLogger("vsam_tune").info(text)
log.close()
append_point(trials[0], {text: 1.0, "time_ms": 1})
assert repair_curve(trials[0]) == read_curve(trials[0]) == [{text: 1.0, "time_ms": 1}]
result = load_result("toy", root)
assert text in result.trials[1].error
for options in (["show", "toy", "0"], ["show", "toy", "1"], ["trials", "toy"]):
    assert main([*options, "--root", str(root)]) == 0
assert main(["front", "toy", "--root", str(root), "--pick", "trial=0", "--export", str(folder / "picked.yaml")]) == 0
print("93.1 \\u00b1 0.2")
"""


def in_c_locale(*arguments):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG"))}
    return subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", "-c", SEARCH, *map(str, arguments)],
        env=environment | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONPATH": str(ROOT)},
        input=TEXT.encode(),
        capture_output=True,
        check=False,
    )


def test_a_search_in_the_c_locale(tmp_path):
    done = in_c_locale(tmp_path)
    errors = done.stderr.decode()
    assert done.returncode == 0, errors
    warned = [line for line in errors.splitlines() if "EncodingWarning" in line and "site-packages" not in line]
    assert warned == []
    trials = tmp_path / "runs" / "toy" / "trials"
    for file in ("runs/toy/study.resolved.yaml", "picked.yaml", trials / "00000/log.txt", trials / "00001/error.txt"):
        assert TEXT in (tmp_path / file).read_text(encoding="utf-8"), file
    printed = done.stdout.decode()
    assert printed.count(TEXT) >= 2  # the log of one trial, the error of the other
    assert "93.1 \u00b1 0.2" in printed


@pytest.mark.parametrize("package", PACKAGES)
def test_every_text_file_names_its_encoding(package):
    """Check what ruff's PLW1514 cannot: it does not know every path."""
    found = []
    for file in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and is_text_without_encoding(node):
                found.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert found == []


def is_text_without_encoding(call):
    """Return whether a call opens a text file, or reads a process as text, in the encoding of the locale."""
    keywords = {each.arg: each.value for each in call.keywords}
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if "encoding" in keywords:
        return False
    if name in ("run", "Popen", "check_output"):
        return "text" in keywords or "universal_newlines" in keywords
    if name == "open":
        modes = [each.value for each in (*call.args, keywords.get("mode")) if isinstance(each, ast.Constant)]
        is_path = isinstance(call.func, ast.Name) or len(call.args) == len(modes)
        return is_path and not keywords.keys() - {"mode", "newline"} and not any("b" in str(each) for each in modes)
    return name in ("read_text", "FileHandler") or (name == "write_text" and isinstance(call.func, ast.Attribute))
