"""The cost of the SAM probe: the table of pairs, and one real pair of a tiny trial."""

import torch

from benchmarks.reference_cost import table, trained
from tests.support.digits_trial import trial_config
from trainables.build import data_arguments, load_data


def trial(*, seconds, reference, ais, bits):
    metrics = {"train_seconds": seconds, "reference_seconds": reference, "reference_steps": 60, "ais": ais}
    return {"metrics": metrics, "bits": [torch.tensor(bits)]}


def test_shares_ratios_and_bits():
    beside = [
        trial(seconds=2.0, reference=0.2, ais=90.0, bits=[1.0]),
        trial(seconds=4.0, reference=0.8, ais=110.0, bits=[2.0]),
    ]
    alone = [
        trial(seconds=2.0, reference=0.0, ais=100.0, bits=[1.0]),
        trial(seconds=4.0, reference=0.0, ais=100.0, bits=[2.5]),
    ]
    text = table(beside, alone)
    assert "| 0 | 2.0 | 60 | 10.0% | 0.900 | yes |" in text
    assert "| 1 | 4.0 | 60 | 20.0% | 1.100 | NO |" in text
    assert "share 15.0%; AIS with over without 1.000 ± 0.100 (one standard error)" in text


def test_a_tiny_trial_ends_with_the_same_bits(tmp_path):
    config = trial_config(tmp_path)
    data = load_data(data_arguments(config))
    beside, alone = (trained(config, data, seed=1, reference=reference) for reference in (True, False))
    assert "yes" in table([beside], [alone])
    assert "reference_steps" not in alone["metrics"]
