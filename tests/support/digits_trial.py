"""A trial of a second, set up as a study does it; and training one in a process that can be killed."""

import torch

from tests.support.tiny_trial import quick_settings

SEARCH_IMAGES = 152  # of the subset of 200: 48 are held out
EVALUATED = {"val": 48, "test": 349}

TIMED = {  # what two runs of the same trial do not have in common
    "ais", "ais_error", "ais_seed_error", "train_seconds", "ais_vs_sam", "ais_vs_sam_error", "ais_vs_sam_seed_error",
    "ais_vs_sam_totals", "ais_vs_sam_wall", "ais_vs_sam_cpu", "ideal_ais_vs_sam", "efficiency", "reference_steps",
    "reference_seconds",
}  # fmt: skip
TIMED |= {f"{name}{of_mean}" for name in TIMED for of_mean in ("_std", "_error")} | {"unreliable_reason"}
_CLOCKS = dict.fromkeys(("ais", "reference"))  # parts of a trainer's state that hold seconds


def trial_config(
    folder, name="vsam", *, final=False, seed=1, lr=0.1, cpus=1, method=None, test=False, replicates=1, **task
):
    """Return what `setup` gets: 5 iterations an epoch in a search, 7 in a final training."""
    return {
        "task": {
            "data": "digits",
            "label_noise": 0.2,
            "validation_fraction": 0.24,
            "subset": 200,
            "resize": None,
            "data_root": None,
            "download": False,
            "model": {"name": "cnn", "width": 4},
            "initial_checkpoint": None,
            "quantization": None,
            "epochs": 6,
            "batch_size": 32,
            "seed": 0,
            "augmentation": ["crop"],
            "label_smoothing": None,
            "channels_last": True,
            "precision": "float32",
            "micro_batches": 1,
            "max_gradient_norm": None,
            "compiled": False,
            "options": {},
            **task,
        },
        "base_optimizer": {"optimizer": "torch.optim:SGD", "lr": lr, "momentum": 0.9, "weight_decay": 5e-4},
        "method": {"name": name, **quick_settings(name), **(method or {})},
        "trainable": "trainables.classification:Classification",
        "seed": seed,
        "final": final,
        "test": test,
        "replicates": replicates,
        "pause_epochs": [],
        "params": {},
        "number": 0,
        "folder": str(folder),
        "cpus": cpus,
        "gpus": 0,
    }


def steps(worker):
    """Return what each step reports until the trial says that it is done."""
    results = [worker.step()]
    while not results[-1].get("done"):
        results.append(worker.step())
    return results


def without_ais(results):
    return [{key: value for key, value in result.items() if key not in TIMED} for result in results]


def end_of(worker):
    """Return the state that a trial ended with, but for the seconds that it took."""
    return {**worker.trainer.state_dict(), **_CLOCKS}


def saved_in(folder):
    """Return what `checkpoint.pt` holds, as anyone would open it, but for the seconds that it took."""
    saved = torch.load(folder / "checkpoint.pt", weights_only=True)
    return {
        **saved,
        "trainer": {**saved["trainer"], **_CLOCKS},
        "metrics": {key: value for key, value in saved["metrics"].items() if key not in TIMED},
    }


def train(config, folder, *, read_interval):
    """Train a trial to its end, with a checkpoint whenever there can be one; for a process of its own."""
    from ray.tune.trainable import trainable

    from trainables import classification
    from vsam_tune.training import trainer

    trainable.DEFAULT_STORAGE_PATH = str(folder)  # without Ray a folder would be left in the user's home
    classification.CHECKPOINT_SECONDS = 0.0
    trainer.READ_INTERVAL = read_interval
    steps(classification.Classification(config))
