"""The mutation check notices what it is for, on a toy project; and the real lists fit the code they break."""

import pytest
import yaml

from tests.mutation import ROOT, main, read_lists
from vsam_tune.registry.methods import METHODS

PARTS = ("toy.py", "tests", "pyproject.toml")
TOY = "import math\n\n\ndef add(a, b):\n    return a + b\n\n\ndef twice(a):\n    return a + a\n"
TESTS = "from toy import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n"
KILLED = {"file": "toy.py", "find": "a + b", "replace": "a - b", "breaks": "sign"}
LISTS = {one.name: one for one in read_lists(ROOT)}


@pytest.fixture
def toy(tmp_path):
    """Return a function that runs the check over mutants of a toy project."""
    (tmp_path / "tests" / "mutants").mkdir(parents=True)
    (tmp_path / "toy.py").write_text(TOY)
    (tmp_path / "tests" / "test_toy.py").write_text(TESTS)
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\npythonpath = ['.']\n")

    def run(*mutants, tests="tests/test_toy.py", arguments=()):
        content = yaml.safe_dump({"tests": [tests], "mutants": list(mutants)})
        (tmp_path / "tests" / "mutants" / "toy.yaml").write_text(content)
        return main(list(arguments), root=tmp_path, parts=PARTS)

    return run


def table_of(printed):
    """Return (what is broken, verdict, by) of each row, and the last line."""
    *rows, last = printed.splitlines()[1:]
    cells = [[cell.strip() for cell in row.split("  ") if cell.strip()] for row in rows]
    return [(row[1], row[3], row[4] if len(row) > 4 else "") for row in cells], last


def test_each_mutant_is_killed_or_survives_by_itself(toy, capsys):
    survivor = {"file": "toy.py", "find": "a + a", "replace": "a * a", "breaks": "square"}
    assert toy(KILLED) == 0
    rows, last = table_of(capsys.readouterr().out)
    assert rows == [("sign", "killed", "test_add")]
    assert last.startswith("mutants: 1 killed, 0 SURVIVED, 0 ERROR; ")
    twice, nowhere = KILLED | {"find": "return a", "breaks": "two"}, KILLED | {"find": "return c", "breaks": "no"}
    assert toy(survivor, KILLED, twice, nowhere) == 1
    rows, last = table_of(capsys.readouterr().out)
    assert rows == [
        ("square", "SURVIVED", ""),
        ("sign", "killed", "test_add"),
        ("two", "ERROR", "'return a' occurs 2 times"),
        ("no", "ERROR", "'return c' occurs 0 times"),
    ]
    assert last.startswith("mutants: 1 killed, 1 SURVIVED, 2 ERROR; ")


def test_code_that_cannot_run_is_no_kill(toy, capsys):
    changes = [
        ("import math", "import meth", "pytest ended with 2"),
        ("return a + b", "return a +", "pytest ended with 2"),
        ("return a + b", "import meth", "pytest ended with 1: ModuleNotFoundError"),
        ("return a + b", "return a + c", "pytest ended with 1: NameError"),
    ]
    assert toy(*(KILLED | {"find": find, "replace": replace} for find, replace, _ in changes)) == 1
    rows, last = table_of(capsys.readouterr().out)
    for (_, verdict, by), (_, _, reason) in zip(rows, changes, strict=True):
        assert verdict == "ERROR"
        assert by.startswith(reason)
    assert last.startswith("mutants: 0 killed, 0 SURVIVED, 4 ERROR; ")


def test_tests_that_fail_without_a_mutant_stop_the_check(toy, capsys):
    assert toy(KILLED, tests="tests/test_another.py") == 1
    assert capsys.readouterr().out.startswith("toy: its tests fail without a mutant: pytest ended with 4")


def test_a_name_that_is_no_list_is_refused(toy, capsys):
    with pytest.raises(SystemExit):
        toy(KILLED, arguments=["toi"])
    assert "no such list: toi" in capsys.readouterr().err


@pytest.mark.parametrize("name", LISTS)
def test_a_list_names_tests_and_text_that_are_there(name):
    tests, mutants = LISTS[name].tests, LISTS[name].mutants
    assert all((ROOT / test.partition("::")[0]).exists() for test in tests)
    assert {mutant.find: text_of(mutant).count(mutant.find) for mutant in mutants} == dict.fromkeys(
        (mutant.find for mutant in mutants), 1
    )
    assert len(set(mutants)) == len(mutants)


def text_of(mutant):
    return (ROOT / mutant.file).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_a_list_named_as_its_module(name):
    module = (METHODS[name].optimizer or METHODS[name].loss_term or "sgd").partition(":")[0]
    assert len(LISTS[module.rpartition(".")[2]].mutants) >= 4
