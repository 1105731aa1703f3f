import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from vsam_tune.analysis.results import Objective
from vsam_tune.errors import InputError
from vsam_tune.registry.methods import METHODS
from vsam_tune.study.file.sections import Asha, Fifo, Nsga2, RandomSearch, Tpe
from vsam_tune.study.file.study_file import load_export, load_study
from vsam_tune.study.search import search_plan

BAD_INPUTS = yaml.safe_load((Path(__file__).parent / "bad_inputs.yaml").read_text(encoding="utf-8"))
SMALLEST = """\
name: mine
task: {data: digits, model: cnn}
method: {name: vsam}
budget: {trials: 16}
"""
EVERY_SECTION = """\
name: quickstart
task:
  data: digits             # 1,100 training, 348 validation, 349 test images
  label_noise: 0.2
  model: cnn
  epochs: 40
  batch_size: 64
  seed: 0
  augmentation: []
base_optimizer: {name: sgd, lr: 0.1, momentum: 0.9, weight_decay: 5.0e-4}
method: {name: vsam, rho: 0.4, interval: 20}
space:
  beta: {type: float, low: 0.05, high: 1.0, log: true}
  kappa: {type: float, low: 0.5, high: 0.99}
  num_slices: {type: int, low: 1, high: 4}
  warmup_iterations: {type: int, low: 36, high: 360}
  max_rate: {type: float, low: 0.2, high: 0.5, log: true}
initial: [{beta: 0.13, kappa: 0.8, num_slices: 4, warmup_iterations: 36, max_rate: 0.4}]
objectives: [val_accuracy, ais]
sampler: {kind: tpe, seed: 0}
trial_scheduler: {kind: fifo}
budget: {trials: 16}
resources: {cpus: 1, gpus: 0}
tracking: {uri: null}
trainable: trainables.classification:Classification
"""
STUDIES = {
    "smallest": SMALLEST,
    "every section": EVERY_SECTION,
    "conditions": "name: a\nspace: {reuse: true, rho: {type: float, low: 0.1, high: 1, when: {reuse: [none]}}}\n",
    "no reuse": "name: a\nmethod: {name: vsam, reuse: none}\n",
    "preset": "name: a\nmethod: sam_5\n",
    "adamw": "name: a\nmethod: sgd\nbase_optimizer: {name: adamw}\nspace: {weight_decay: null}\n",
    "epochs of warm-up": "name: a\nmethod: {warmup_iterations: {epochs: 2}}\nspace: {warmup_iterations: null}\n",
    "paths": "name: a\ntask: {data: npz:here/x.npz, model: {name: resnet8, width: 32}, augmentation: [crop, flip]}\n",
    "asha": "name: a\ntrial_scheduler: {kind: asha}\nsampler: {kind: nsga2}\nbudget: {trials: null, seconds: 60}\n",
    "replicates": "name: a\nreplicates: 3\nracing: true\n",
    "one objective": "name: a\nobjectives: [val_loss]\nreference_point: {val_loss: 3}\ninitial: []\n",
    "own things": "name: a\ntask: {data: mine:read, model: {name: mine.nets:build, stages: [1, 2], kind: null}}\n"
    "method: {name: mine:Method, warmup_iterations: {epochs: 2}, layers: [a]}\n"
    "space: {share: {type: float, low: 0, high: 1, when: {kind: [a]}}, kind: {type: categorical, choices: [a, b]}}\n",
    "quantization": "name: a\ntask: {quantization: {weight_bits: 2}, initial_checkpoint: here/checkpoint.pt}\n",
    "label smoothing": "name: a\ntask: {label_smoothing: 0.1}\n",
    "label smoothing of torch": "name: a\ntask: {label_smoothing: {epsilon: 0.2, over: all}}\n",
    "custom trainable": "name: a\ntrainable: mine.module:Toy\nmethod: {name: toy, depth: [1, 2]}\n"
    "space: {x: {type: int, low: 1, high: 9}, lr: true}\nobjectives: [{name: y, direction: minimize}]\n",
}


def write(folder: Path, text: str) -> Path:
    file = folder / "a.yaml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("bad", BAD_INPUTS, ids=[bad["what"] for bad in BAD_INPUTS])
def test_a_bad_file_gets_its_lines(bad: dict[str, Any], tmp_path: Path) -> None:
    file = write(tmp_path, bad["file"])
    with pytest.raises(InputError) as caught:
        {"study": load_study, "export": load_export}[bad.get("reads", "study")](file)
    assert [line.replace(str(file), "FILE") for line in caught.value.lines] == bad["lines"]


def test_the_table_of_bad_files_is_one_of_different_files() -> None:
    assert len({bad["file"] for bad in BAD_INPUTS}) == len({bad["what"] for bad in BAD_INPUTS}) >= 30


def test_all_errors_of_a_file_come_at_once(tmp_path: Path) -> None:
    text = "nam: a\ntask: {epochs: 0}\nmethod: {rho: -1}\nspace: {beta: 3}\nbudget: {trials: 0}\nsampler: {kind: x}\n"
    with pytest.raises(InputError) as caught:
        load_study(write(tmp_path, text))
    keys = {line.split(": ")[1].split(" = ")[0] for line in caught.value.lines}
    assert keys == {"nam", "name", "task.epochs", "method.rho", "space.beta", "budget.trials", "sampler.kind"}


LONG = "x" * 1_000_000


@pytest.mark.parametrize(
    "text",
    [
        f"name: {LONG}", f"method: {LONG}", f"method: {{name: sam, rho: {LONG}}}", f"task: {{data: {LONG}}}",
        f"task: {{data: 'npz:{LONG}'}}", f"task: {{model: {LONG}}}", f"objectives: [{LONG}]",
        f"sampler: {{kind: {LONG}}}",
        f"space: {{beta: {LONG}}}", f"space: {{beta: {{type: {LONG}}}}}", f"trainable: {LONG}",
        f"space: {{reuse: {{type: categorical, choices: [none, {LONG}]}}}}", f"initial: [{{reuse: {LONG}}}]",
        f"trial_scheduler: {{kind: asha, metric: {LONG}}}", f"baselines: {{methods: [{LONG}]}}",
        f"? {LONG}\n: 1", f"task:\n  ? {LONG}\n  : 1", f"space:\n  ? {LONG}\n  : true",
    ],
)  # fmt: skip
def test_a_long_value_is_not_repeated_as_a_whole(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_study(write(tmp_path, text if text.startswith("name") else f"name: a\n{text}"))
    assert max(map(len, caught.value.lines)) < 1500


@pytest.mark.parametrize("text", STUDIES.values(), ids=STUDIES)
def test_the_resolved_file_is_read_as_the_same_study(text: str, tmp_path: Path) -> None:
    study = load_study(write(tmp_path, text))
    other = tmp_path / "elsewhere"
    other.mkdir()
    again = load_study(write(other, yaml.safe_dump(study.resolved(), sort_keys=False)))
    assert again == study
    assert again.file != study.file
    assert list(again.space) == list(study.space)
    assert again.resolved() == study.resolved()
    assert again.differences(study.resolved()) == []
    assert search_plan(again).digest == search_plan(study).digest


def test_the_smallest_study_searches_what_the_paper_does(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, SMALLEST))
    assert list(study.space) == ["beta", "kappa", "num_slices", "warmup_iterations"]
    assert study.initial == ({"beta": 0.13, "kappa": 0.7, "num_slices": 5, "warmup_iterations": 0.015},)
    assert study.objectives == (Objective("val_accuracy", "maximize"), Objective("ais_vs_sam", "maximize"))
    assert (study.sampler, study.trial_scheduler) == (Tpe(), Fifo())
    assert study.task.model == {"name": "cnn", "width": 32}
    assert study.task.validation_fraction == 0.24
    assert (study.budget.trials, study.budget.epochs, study.budget.seconds) == (16, None, None)
    assert study.reference_point is None


def test_every_section_says_what_it_says(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, EVERY_SECTION))
    assert study.space["max_rate"].contains(0.5)
    assert study.space["kappa"].when == {"reuse": ("geometric",)}  # a new range keeps the condition
    assert study.base_optimizer.settings == {"lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4, "nesterov": False}
    assert study.method.settings["interval"] == 20
    assert study.initial[0]["warmup_iterations"] == 36
    assert (study.task.label_noise, study.task.batch_size) == (0.2, 64)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("0.1", {"epsilon": 0.1, "over": "others"}),
        ("0", {"epsilon": 0.0, "over": "others"}),
        ("{epsilon: 0.1}", {"epsilon": 0.1, "over": "others"}),
        ("{epsilon: 0.1, over: all}", {"epsilon": 0.1, "over": "all"}),
        ("null", None),
    ],
)
def test_a_number_is_short_for_label_smoothing_over_the_other_classes(
    written: str, read: dict[str, Any] | None, tmp_path: Path
) -> None:
    study = load_study(write(tmp_path, f"name: a\ntask: {{label_smoothing: {written}}}\n"))
    assert study.resolved()["task"]["label_smoothing"] == read
    assert search_plan(study).config({}, 0)["task"]["label_smoothing"] == read


def test_kinds_choose_their_section(tmp_path: Path) -> None:
    text = "name: a\nsampler: {kind: random, seed: 3}\ntrial_scheduler: {kind: asha, min_epochs: 2}\n"
    study = load_study(write(tmp_path, text))
    assert study.sampler == RandomSearch(seed=3)
    assert study.trial_scheduler == Asha(min_epochs=2, reduction_factor=3, metric="val_accuracy")
    assert load_study(write(tmp_path, "name: a\nsampler: {kind: nsga2}\n")).sampler == Nsga2()


@pytest.mark.parametrize("method", METHODS)
def test_every_method_can_be_studied_with_all_that_is_optional(method: str, tmp_path: Path) -> None:
    study = load_study(write(tmp_path, f"name: a\nmethod: {method}\n"))
    switched_on = ", ".join(f"{name}: true" for name in study.parameters.ranges)
    text = f"name: a\nmethod: {method}\nspace: {{{switched_on}}}\n"
    assert set(load_study(write(tmp_path, text)).space) == set(study.parameters.ranges)


def test_paths_start_from_the_file_that_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "studies"
    folder.mkdir()
    write(folder, "name: a\ntask: {data: 'npz:../data/x.npz'}\n")
    monkeypatch.chdir(tmp_path)
    assert load_study(Path("studies/a.yaml")).task.data == f"npz:{tmp_path / 'data' / 'x.npz'}"
    write(folder, "name: a\ntask: {data: cifar10, data_root: sets}\n")
    assert load_study(Path("studies/a.yaml")).task.data_root == str(folder / "sets")
    write(folder, f"name: a\ntask: {{data: 'folder:{tmp_path}'}}\n")
    assert load_study(Path("studies/a.yaml")).task.data == f"folder:{tmp_path}"


def test_the_command_line_overrides_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = write(tmp_path, SMALLEST)
    study = load_study(file, {"task.data": "npz:x.npz", "budget.trials": 3})
    assert study.task.data == f"npz:{tmp_path / 'x.npz'}"
    assert study.budget.trials == 3
    with pytest.raises(InputError) as caught:
        load_study(file, {"budget.trials": 0})
    assert str(caught.value).startswith("command line: budget.trials = 0: must be >= 1. Fix: ")
    assert load_study(write(tmp_path, "name: a\n"), {"budget.trials": 5}).budget.trials == 5
    assert load_study(file, {}) == load_study(file)


def test_differences_name_what_may_not_change(tmp_path: Path) -> None:
    former = load_study(write(tmp_path, SMALLEST)).resolved()
    more = "budget: {trials: 99}\nresources: {cpus: 2}\ntracking: {uri: 'http://localhost:5000'}\n"
    text = "name: mine\ntask: {data: digits, model: cnn}\n"
    assert load_study(write(tmp_path, text + more)).differences(former) == []
    cifar = write(tmp_path, "name: mine\ntask: {data: cifar10}\n")
    there = {"task.download": True, "task.data_root": str(tmp_path)}
    assert load_study(cifar, there).differences(load_study(cifar).resolved()) == []
    changed = (
        "name: mine\ntask: {data: digits, epochs: 3}\nspace: {beta: {high: 0.7}, kappa: null}\nobjectives: [ais]\n"
    )
    changed += "replicates: 3\nracing: true\n"
    assert load_study(write(tmp_path, changed)).differences(former) == [
        "initial",
        "method.kappa",
        "objectives",
        "racing",
        "replicates",
        "space.beta.high",
        "space.kappa",
        "task.epochs",
    ]


def test_the_order_of_the_space_is_not_that_of_the_file(tmp_path: Path) -> None:
    when = "rho: {type: float, low: 0.1, high: 1, when: {reuse: [none]}}"
    one = load_study(write(tmp_path, f"name: a\nspace: {{{when}, reuse: true, lr: true}}\n"))
    two = load_study(write(tmp_path, f"name: a\nspace: {{lr: true, reuse: true, {when}}}\n"))
    assert list(one.space) == list(two.space)
    assert list(one.space).index("reuse") < list(one.space).index("kappa")
    assert list(one.space).index("reuse") < list(one.space).index("rho")


def test_a_study_is_frozen(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, SMALLEST))
    with pytest.raises(ValueError, match="frozen"):
        study.name = "other"  # type: ignore[misc] # that is the point
    with pytest.raises(ValueError, match="frozen"):
        study.task.epochs = 3  # type: ignore[misc] # that is the point


def test_exports_are_distinguished_from_studies(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a study, not an export"):
        load_export(write(tmp_path, SMALLEST))
    with pytest.raises(InputError, match="is an export, not a study"):
        load_study(write(tmp_path, "source: {}\nmethod: sam\n"))


def test_reading_a_study_loads_no_engine() -> None:
    engines = ["torch", "ray", "optuna", "mlflow", "plotly", "pandas"]
    program = f"import sys, vsam_tune.study.file.study_file; print([m for m in {engines} if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize(("name", "scheme"), [("imgs", "folder"), ("imgs/", "folder"), ("./digits.npz", "npz")])
def test_a_path_without_its_scheme_gets_it(
    name: str, scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the file's folder, from the command line in that folder, and from elsewhere."""
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
        file = write(folder, f"name: a\nmethod: sgd\ntask: {{data: {name}}}\n")
    (there / "imgs").mkdir()
    (there / "digits.npz").touch()
    monkeypatch.chdir(there)
    relative, absolute = f"write {scheme}:{name}.", f"write {scheme}:{there / name}."
    for at, overrides, fix in (
        (Path("a.yaml"), {}, relative), (file, {}, relative), (Path("a.yaml"), {"task.data": name}, relative),
        (here / "a.yaml", {"task.data": name}, absolute), (here / "a.yaml", {}, absolute),
    ):  # fmt: skip
        with pytest.raises(InputError, match=re.escape(f"is not known. Fix: {fix}")):
            load_study(at, overrides)
        data = fix.removeprefix("write ").rstrip(".")
        assert load_study(at, {"task.data": data}).task.data == f"{scheme}:{there / Path(name)}"


@pytest.mark.parametrize(("learn_from", "differences"), [("rungs", []), ("final", ["sampler.learn_from"])])
def test_a_study_older_than_learn_from_has_its_default(learn_from: str, differences: list[str], tmp_path: Path) -> None:
    study = load_study(write(tmp_path, f"name: mine\nsampler: {{learn_from: {learn_from}}}\n"))
    former = study.resolved()
    del former["sampler"]["learn_from"]
    assert study.differences(former) == differences
