"""The paper's networks at full size: one step with every method, saved, and a second one resumed bit for bit."""

import pytest
import torch

from tests.support.tiny_trial import equal_state, quick_settings
from vsam_tune.data.images import Images
from vsam_tune.data.loader import ResidentLoader
from vsam_tune.models.build import build_model
from vsam_tune.registry.methods import METHODS
from vsam_tune.training.build import build_optimizer
from vsam_tune.training.closures import Closures
from vsam_tune.training.trainer import Trainer

BATCH = 8


def trainer(model_name, method):
    model = build_model(model_name, in_channels=3, image_size=32, num_classes=10, seed=0)
    draws = torch.Generator().manual_seed(1)
    x = torch.randint(0, 256, (2 * BATCH, 3, 32, 32), generator=draws, dtype=torch.uint8)
    images = Images(x, torch.arange(2 * BATCH) % 10)
    loader = ResidentLoader(
        images, mean=torch.full((3,), 128.0), std=torch.full((3,), 64.0), batch_size=BATCH, channels_last=True, seed=2
    )
    optimizer, loss_term = build_optimizer(
        model.to(memory_format=torch.channels_last),
        base={"optimizer": "torch.optim:SGD", "lr": 0.01, "momentum": 0.9, "weight_decay": 1e-3},
        method={"name": method, **quick_settings(method)},
        iterations_per_epoch=2,
        epochs=1,
        num_images=2 * BATCH,
        num_classes=10,
        seed=3,
    )
    return Trainer(model, optimizer, loader, epochs=1, closures=Closures(model, optimizer, loss_term=loss_term))


def step(trained):
    trained.model.train()
    position = trained.iteration
    trained.iterate(trained.loader.batches(0, start=position), position + 1)
    trained._read()


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "model_name", ["wrn28_10", "pyramidnet110", "mobilenet_v1", "mobilenet_v1_relu6", "mobilenet_v2"]
)
def test_a_step_and_an_exact_resume(model_name, method, tmp_path):
    torch.random.manual_seed(4)
    straight, resumed = trainer(model_name, method), trainer(model_name, method)
    step(straight)
    torch.save(straight.state_dict(), tmp_path / "checkpoint.pt")
    step(straight)
    resumed.load_state_dict(torch.load(tmp_path / "checkpoint.pt", weights_only=True))
    step(resumed)
    assert equal_state({**resumed.state_dict(), "ais": None}, {**straight.state_dict(), "ais": None})
    assert all(parameter.isfinite().all() for parameter in straight.model.parameters())
