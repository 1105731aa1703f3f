"""Early stopping: the epoch is chosen on the validation part, and its cost counts up to it."""

from pathlib import Path

from benchmarks.early_stopping import main, table

STUDY = """\
name: tiny
task: {data: digits, model: cnn, epochs: 2, subset: 200}
method: {name: vsam, rho: 0.3}
"""


def test_the_table_has_both_epochs_and_the_cost_up_to_the_chosen_one():
    rows = [
        {"method": "sgd", "last_test_accuracy": last, "epoch": epoch, "stopped_test_accuracy": stopped}
        | {"gradient_evaluations_per_epoch": 18.0}
        for last, epoch, stopped in ((88.0, 5, 95.0), (90.0, 7, 97.0))
    ]
    assert "| sgd | 2 | 89.0 ± 1.4 | 6 ± 1 | 96.0 ± 1.4 | 108 |" in table(rows)


def test_both_methods_are_trained_once_a_seed(tmp_path: Path, capsys):
    study, out = tmp_path / "tiny.yaml", tmp_path / "rows.json"
    study.write_text(STUDY)
    main([str(study), "--seeds", "1", "--out", str(out)])
    printed = capsys.readouterr()
    assert printed.out.count("| sgd | 1 |") == printed.out.count("| sam | 1 |") == 1
    assert printed.err.count("last_test_accuracy") == 2
    main([str(study), "--seeds", "1", "--out", str(out)])
    assert capsys.readouterr().err == ""
