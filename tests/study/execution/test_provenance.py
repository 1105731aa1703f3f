from pathlib import Path

from tests.support.toy_study import toy_plan
from vsam_tune.study.execution.provenance import provenance, provenance_tags


def test_every_trial_gets_its_device_its_versions_and_a_hash_of_the_study(tmp_path: Path) -> None:
    plan = toy_plan(tmp_path)
    found = provenance(plan)
    assert found.keys() == {"versions", "device", "study_hash"}
    assert found["versions"].keys() == {"vsam-tune", "torch", "ray", "optuna", "mlflow", "commit"}
    assert found["study_hash"] == plan.digest == toy_plan(tmp_path).digest
    assert found["study_hash"] != toy_plan(tmp_path, task={"epochs": 5}).digest


def test_provenance_becomes_tags_and_the_commit_mlflows_own() -> None:
    versions = {"torch": "2.9.0", "commit": "abc"}
    assert provenance_tags({"versions": versions, "device": "Linux x86_64, 2 cores", "study_hash": "0f"}) == {
        "vsam_tune.device": "Linux x86_64, 2 cores",
        "vsam_tune.study_hash": "0f",
        "vsam_tune.versions": "torch 2.9.0, commit abc",
        "mlflow.source.name": "vsam-tune",
        "mlflow.source.git.commit": "abc",
    }
