"""Somebody else's training loop with vSAM in it, as the README shows it."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def test_a_custom_loop_with_scheduler_checkpoint_and_half_precision_autocast(tmp_path):
    from vsam_tune.optimizers import VSAM

    generator = torch.Generator().manual_seed(0)
    points = torch.randn(256, 2, generator=generator)
    labels = (points.prod(dim=1) > 0).long()
    loader = DataLoader(TensorDataset(points, labels), batch_size=32, shuffle=True, generator=generator)

    with torch.random.fork_rng():
        torch.random.manual_seed(0)
        model = nn.Sequential(nn.Linear(2, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 2))
    base = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    optimizer = VSAM(base, warmup_iterations=16, interval=16, model=model)
    lr_scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)

    for _ in range(20):
        for inputs, targets in loader:

            def closure(inputs=inputs, targets=targets):
                optimizer.zero_grad()
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    loss = nn.functional.cross_entropy(model(inputs), targets)
                loss.backward()
                return loss

            loss = optimizer.step(closure)
        lr_scheduler.step()

    model.eval()
    accuracy = (model(points).argmax(dim=1) == labels).float().mean().item()
    assert accuracy > 0.95
    assert loss.isfinite()
    assert optimizer.iterations == 160
    assert 160 < optimizer.gradient_evaluations < 320
    assert optimizer.adaptation_start is not None

    torch.save(optimizer.state_dict(), tmp_path / "optimizer.pt")
    optimizer.load_state_dict(torch.load(tmp_path / "optimizer.pt", weights_only=True))
    assert optimizer.iterations == 160
