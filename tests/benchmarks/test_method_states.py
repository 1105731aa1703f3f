"""The means of the parts of a run over trajectories."""

import numpy as np
import torch

from benchmarks.method_states import parts_of
from vsam_tune.optimizers.observation import Observation
from vsam_tune.training.trajectory import Trajectory


def trajectory(path, sampled, threshold):
    recorded = Trajectory()
    for one in sampled:
        norm = torch.ones(())
        recorded.record(
            Observation(sampled=one, l2_psf=norm if one else None, l2_sgd=norm, sampling_rate=0.5, threshold=threshold)
        )
    recorded.fill([1.0] * len(recorded.pending()))
    recorded.write_parquet(path)
    return path


def test_a_part_is_the_mean_over_its_iterations_and_the_seeds(tmp_path):
    one = trajectory(tmp_path / "one.parquet", [True, True, False, False], 2.0)
    two = trajectory(tmp_path / "two.parquet", [True, False, False, True], 4.0)
    first, second = parts_of([one, two], 2)
    sampled, squared_norm, threshold, penalty, rate = first
    assert (sampled, threshold, rate) == (0.75, 3.0, 0.5)
    assert second[0] == 0.25
    assert np.isnan([squared_norm, penalty]).all()
