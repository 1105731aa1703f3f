"""The object that `front --format json` prints."""

import json

from tests.support.records import EMPTY, MIXED, NOISY, study
from vsam_tune.analysis.front_json import front_json


def test_it_is_the_object_that_other_tools_read():
    result = study(*MIXED.trials, reference_point={"val_accuracy": 80.0, "ais": 500.0})
    assert front_json(result) == {
        "study": "mine",
        "objectives": [
            {"name": "val_accuracy", "direction": "maximize"},
            {"name": "ais", "direction": "maximize"},
        ],
        "trials": {"complete": 5, "pruned": 1, "fail": 1, "running": 1, "waiting": 1},
        "hypervolume": 21600.0,
        "reference_point": {"val_accuracy": 80.0, "ais": 500.0},
        "points": [
            {
                "trial": number,
                "params": {"beta": 0.1 * number},
                "values": {"val_accuracy": accuracy, "ais": ais},
                "errors": {"val_accuracy": 0.0, "ais": 0.0},
                "metrics": {"val_accuracy": accuracy, "ais": ais, "val_loss": 0.5},
            }
            for number, accuracy, ais in [(4, 96.0, 1000.0), (1, 95.0, 1800.0), (2, 88.0, 2000.0)]
        ],
        "knee": 1,
        "noise": "aware",
        "possible": [],
        "hypervolume_over": [
            {"trials": count, "epochs": 0, "hours": 0.0, "hypervolume": volume}
            for count, volume in enumerate([5000.0, 19500.0, 21100.0, 21100.0, 21600.0, 21600.0], start=1)
        ],
        "cost": {
            "hours": 0.0,
            "stopped_hours": 0.0,
            "failed_hours": 0.0,
            "sam_probe_hours": 0.0,
            "epochs": 0,
            "stopped_epochs": 0,
        },
        "rungs": [],
    }


def test_it_holds_the_possible_trials_in_the_shape_of_the_front_unless_noise_is_ignored():
    aware, ignored = front_json(NOISY), front_json(NOISY, noise="ignore")
    assert [each["trial"] for each in aware["possible"]] == [0, 2]
    assert aware["possible"][0] == {
        "trial": 0,
        "params": {"beta": 0.0},
        "values": {"val_accuracy": 90.0, "ais": 1000.0},
        "errors": {"val_accuracy": 1.0, "ais": 10.0},
        "metrics": NOISY.trials[0].metrics,
    }
    assert (ignored["noise"], ignored["possible"]) == ("ignore", [])
    assert {**aware, "noise": "ignore", "possible": []} == ignored


def test_it_holds_only_what_json_knows():
    assert json.loads(json.dumps(front_json(MIXED), allow_nan=False)) == front_json(MIXED)
    assert json.loads(json.dumps(front_json(EMPTY)))["knee"] is None
