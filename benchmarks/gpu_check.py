"""The check of a machine with a GPU: tests, speed and memory of the optimizers, and a short training.

It runs in any Python with torch, numpy, scikit-learn, Pillow and pytorchcv; nothing in it needs Ray, Optuna or MLflow.
Call it in the folder of the repository, from which nothing has to be installed:
    python -m benchmarks.gpu_check --data npz:cifar10.npz --out gpu_check.json
    python -m benchmarks.gpu_check --device cpu --quick
The second call tries everything at a tiny size. docs/benchmarks.md explains the tables.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.method_iterations import NUM_CLASSES, pinned_vsam, start
from benchmarks.peak_memory import peak_bytes
from benchmarks.ratios import SAM, SGD, Ratios
from benchmarks.rounds import Entrant, lap, random_batches, timed_rounds, warm_up
from vsam_tune.atomic_file import write_text
from vsam_tune.data.load import TaskData, load_task
from vsam_tune.data.loader import Batch, ResidentLoader
from vsam_tune.errors import InputError, problem
from vsam_tune.models.build import build_model
from vsam_tune.training.build import build_optimizer
from vsam_tune.training.closures import Closures
from vsam_tune.training.trainer import Trainer

PERIOD = 5  # iterations between two reads of the clock: vSAM and LookSAM sample one of them
METHODS: Mapping[str, Mapping[str, Any]] = {
    SGD: {"name": "sgd"},
    SAM: {"name": "sam"},
    "vsam": {"name": "vsam", **pinned_vsam(PERIOD)},
    "looksam": {"name": "looksam", "period": PERIOD},
    "esam": {"name": "esam"},
}
SAMPLING = ("vsam", "looksam")  # their ideal is (1 - f) * SGD + f * SAM
PRECISIONS = ("float32", "bfloat16")
PARTS = ("tests", "times", "training")
TESTED = ("optimizers", "training", "loss_terms", "data", "contracts")  # folders of tests whose GPU tests need no Ray
TEST_SECONDS = 300
REPOSITORY = Path(__file__).resolve().parent.parent
TRAINING_BASE = {"optimizer": "torch.optim:SGD", "lr": 0.05, "momentum": 0.9, "weight_decay": 1e-3}


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        models: keys of MODELS to time, with options; the first one is trained, too.
        batch: images of a timed batch.
        rounds: laps of each method.
        epochs: of the training.
        images: of the training set; None for all.
    """

    models: dict[str, dict[str, int]]
    batch: int
    rounds: int
    epochs: int
    images: int | None


FULL = Size(models={"resnet18": {}, "wrn28_10": {}}, batch=128, rounds=40, epochs=5, images=None)
QUICK = Size(models={"cnn": {"width": 8}}, batch=4, rounds=2, epochs=2, images=200)


def main(arguments: list[str] | None = None) -> int:
    """Make the checks; print the results and write them to the file after each part.

    Returns:
        0; 1 if a test failed; 2 without a GPU, and for bad input.
    """
    options = _parser().parse_args(arguments)
    device, size = options.device, QUICK if options.quick else FULL
    if device.type == "cuda" and not torch.cuda.is_available():
        rule, fix = "torch finds no GPU on this machine", "use another machine, or try --device cpu --quick"
        sys.stderr.write(f"{problem('gpu_check', '--device', str(device), rule, fix)}\n")
        return 2
    parts: dict[str, Callable[[], Any]] = {
        "machine": lambda: machine(device),
        "tests": gpu_tests,
        "times": lambda: [row for model in size.models for row in timed_methods(model, size, device)],
        "training": lambda: trainings(options.data, replace(size, epochs=options.epochs or size.epochs), device),
    }
    content: dict[str, Any] = {}
    try:
        for part in ("machine", *options.parts):
            content[part] = parts[part]()
            print(f"{shown(content[part])}\n", flush=True)
            if options.out:
                write_text(options.out, json.dumps(content, indent=1, default=asdict))
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 1 if content.get("tests", {}).get("state") == "failed" else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--device", type=torch.device, default=torch.device("cuda"), help="cuda (default), cuda:1 or cpu")
    add("--quick", action="store_true", help="everything at a tiny size, on any device")
    add("--data", metavar="npz:PATH", help="images of the training (digits, enlarged to 32x32)")
    add("--epochs", type=int, metavar="N", help=f"of the training ({FULL.epochs})")
    add("--parts", nargs="+", choices=PARTS, default=PARTS, help="parts of the check (all)")
    add("--out", type=Path, metavar="FILE", help="JSON file for the results")
    return parser


def machine(device: torch.device) -> dict[str, Any]:
    """Return the device, the versions, and the settings of torch that decide its speed."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": sys.version.split()[0],
        "threads": torch.get_num_threads(),
        "TF32 in convolutions": torch.backends.cudnn.allow_tf32,
    }


def gpu_tests() -> dict[str, str]:
    """Run the tests with the marker `gpu` in another process.

    Returns:
        `state`: passed, failed or not run; and `summary`, pytest's last line or the reason.
    """
    if missing := [name for name in ("pytest", "hypothesis") if find_spec(name) is None]:
        return {"state": "not run", "summary": f"not installed: {', '.join(missing)}"}
    files = sorted(file for folder in TESTED for file in (REPOSITORY / "tests" / folder).rglob("test_*.py"))
    marked = [str(file) for file in files if "pytest.mark.gpu" in file.read_text(encoding="utf-8")]
    settings = ["-o", "addopts=--import-mode=importlib", "-o", "filterwarnings=", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", *settings, *marked]
    try:
        ended = subprocess.run(  # noqa: S603 - the command consists of constants and files of this repository
            command, cwd=REPOSITORY, capture_output=True, encoding="utf-8", timeout=TEST_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return {"state": "failed", "summary": f"no end after {TEST_SECONDS} s"}
    if ended.returncode:
        sys.stderr.write(ended.stdout[-4000:] + ended.stderr[-4000:])
    state = "failed" if ended.returncode else "passed"
    return {"state": state, "summary": (ended.stdout.strip().splitlines() or ["no output"])[-1]}


def timed_methods(model: str, size: Size, device: torch.device) -> Iterable[dict[str, Any]]:
    """Yield a row for each precision and method: times and memory, relative to SGD with the same precision."""
    weights = sum(parameter.nbytes for parameter in _network(model, size, device).parameters())
    batches = random_batches(size.batch, device=device, seed=0)
    batch = next(batches)
    batch = batch._replace(x=batch.x.contiguous(memory_format=torch.channels_last))
    for precision in PRECISIONS:
        peaks = {key: _peak(_network(model, size, device), each, batch, precision) for key, each in METHODS.items()}
        passes = {"precision": precision}
        takes = {key: start(method, _network(model, size, device), passes) for key, method in METHODS.items()}
        entrants = {key: Entrant(take=lap(take, PERIOD)) for key, take in takes.items()}
        warm_up(entrants, batches, iterations=2)
        rounds = list(timed_rounds(entrants, islice(batches, size.rounds), order=np.random.default_rng(0)))
        seconds = {key: np.array([each[key].wall_seconds for each in rounds]) / PERIOD for key in METHODS}
        sampled = {key: float(np.mean([each[key].evaluations for each in rounds])) - 1 for key in SAMPLING}
        for key, f in sampled.items():
            seconds[f"ideal {key}"] = (1 - f) * seconds[SGD] + f * seconds[SAM]
        ratios = Ratios(seconds, {key: np.zeros(size.rounds, dtype=np.bool_) for key in seconds})
        for key in METHODS:
            yield {
                "model": model,
                "precision": precision,
                "method": key,
                "f": sampled.get(key),
                "ms": 1000 * float(np.median(seconds[key])),
                "time / SGD": ratios.time(key),
                "AIS / SAM": ratios.over(key, SAM).inverse(),
                "time / ideal": ratios.over(key, f"ideal {key}") if key in sampled else None,
                "memory / SGD": (peaks[key] + weights) / (peaks[SGD] + weights),
                "memory, P": (peaks[key] - peaks[SGD]) / weights,
            }


def _network(model: str, size: Size, device: torch.device, **shape: int) -> nn.Module:
    shape = {"in_channels": 3, "image_size": 32, "num_classes": NUM_CLASSES, **shape}
    network = build_model(model, seed=0, **shape, **size.models[model])
    return network.to(device).to(memory_format=torch.channels_last)


def _peak(network: nn.Module, method: Mapping[str, Any], batch: Batch, precision: str) -> int:
    """Return the peak of allocated bytes of a method's first iterations, in addition to the network's weights."""

    def run() -> None:
        take = start(method, network, {"precision": precision})
        for _ in range(PERIOD + 1):
            take(batch)

    return peak_bytes(run, batch.x.device)


def trainings(data: str | None, size: Size, device: torch.device) -> list[dict[str, Any]]:
    """Train with SGD, SAM and vSAM, an epoch of each in turn.

    Args:
        data: `npz:PATH`; None for an archive of the enlarged digits, made for this call.
        size: network, epochs and images.
        device: of the training.

    Returns:
        A row for each method.

    Raises:
        InputError: if the data cannot be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        noise = 0.0 if data else 0.2  # digits with clean labels are too easy to tell the methods apart
        spec = data or f"npz:{_digits_archive(Path(folder) / 'digits.npz')}"
        task = load_task(spec, label_noise=noise, subset=size.images, final=True)
    augmentation = ("crop", "flip") if data else ()
    trainers = {key: _trainer(key, task, size, augmentation, device) for key in (SGD, SAM, "vsam")}
    for key in trainers:  # choose and load kernels, before the clocks start
        trial = _trainer(key, task, size, augmentation, device)
        trial.iterate(trial.loader.batches(0), min(3, len(trial.loader)))
    for _ in range(size.epochs):
        for trainer in trainers.values():
            trainer.train_epoch()
    metrics = {key: trainer.metrics() for key, trainer in trainers.items()}
    test = ResidentLoader(task.test, batch_size=512, shuffle=False, **_on_device(task, device))
    return [
        {
            "method": key,
            "test accuracy": trainers[key].evaluate(test)[0],
            "f": found["sampled_fraction"],
            "AIS": found["ais"],
            "AIS / SAM": found["ais"] / metrics[SAM]["ais"],
            "train loss": found["train_loss"],
            "seconds": found["train_seconds"],
        }
        for key, found in metrics.items()
    ]


def _digits_archive(path: Path) -> Path:
    """Write scikit-learn's digits, enlarged to 32x32 in three channels, the last 349 images for test."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - 1 s that a call with --data saves

    digits = load_digits()
    small = np.kron(digits.images * 15.9, np.ones((4, 4))).astype(np.uint8)
    x = np.repeat(small[..., None], 3, axis=3)
    np.savez(path, x_train=x[:-349], y_train=digits.target[:-349], x_test=x[-349:], y_test=digits.target[-349:])
    return path


def _on_device(task: TaskData, device: torch.device) -> dict[str, Any]:
    return {"mean": task.mean, "std": task.std, "device": device, "channels_last": True}


def _trainer(key: str, task: TaskData, size: Size, augmentation: tuple[str, ...], device: torch.device) -> Trainer:
    batch_size = min(FULL.batch, len(task.train) // 4)
    loader = ResidentLoader(task.train, batch_size=batch_size, augmentation=augmentation, **_on_device(task, device))
    shape = {"in_channels": task.in_channels, "image_size": task.image_size, "num_classes": task.num_classes}
    model = _network(next(iter(size.models)), size, device, **shape)
    iterations = size.epochs * len(loader)
    warmup, interval = max(1, round(0.015 * iterations)), min(50, max(10, iterations // 20))
    shortened = {"warmup_iterations": warmup, "interval": interval}  # the authors' values fit a longer run
    optimizer, _ = build_optimizer(
        model,
        base=TRAINING_BASE,
        method={"name": key, **(shortened if key == "vsam" else {})},
        iterations_per_epoch=len(loader),
        epochs=size.epochs,
        num_images=len(task.train),
        num_classes=task.num_classes,
        seed=0,
    )
    return Trainer(model, optimizer, loader, epochs=size.epochs, closures=Closures(model, optimizer))


def shown(result: Mapping[str, Any] | list[dict[str, Any]]) -> str:
    """Return a part's result as text: a line for a mapping, a Markdown table for rows."""
    if isinstance(result, Mapping):
        return ", ".join(f"{key}: {value}" for key, value in result.items())
    lines = [list(result[0]), ["---"] * len(result[0]), *([_cell(value) for value in row.values()] for row in result)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)  # vsam_tune.cli.render needs rich


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "" if value is None else str(value)


if __name__ == "__main__":
    sys.exit(main())
