from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsam_tune.errors import InputError
from vsam_tune.study.file.strict_yaml import read_mapping


def read(folder: Path, text: str) -> dict[str, object]:
    file = folder / "a.yaml"
    file.write_text(text, encoding="utf-8")
    return read_mapping(file)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),
        ("1E5", 1e5),
        ("-2e+3", -2e3),
        ("1.5e-4", 1.5e-4),
        ("5.0e-4", 5e-4),
        ("'1e-5'", "1e-5"),
        ("1e5x", "1e5x"),
        ("e5", "e5"),
        ("2026-01-01", "2026-01-01"),
        ("12", 12),
        ("true", True),
        ("none", "none"),
        ("null", None),
    ],
)
def test_scalars_are_read_as_people_mean_them(text: str, value: object, tmp_path: Path) -> None:
    (read_value,) = read(tmp_path, f"a: {text}\n").values()
    assert read_value == value
    assert type(read_value) is type(value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("yaml")


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_as_python_writes_them_are_read_back(value: float, folder: Path) -> None:
    assert read(folder, f"a: {value!r}\n") == {"a": value}


def test_merge_keys_may_be_overridden(tmp_path: Path) -> None:
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n"
    assert read(tmp_path, text)["b"] == {"x": 1, "y": 3}


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_mapping(file) == {"a": 1}


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("name: ä\n".encode("latin-1"))
    deep = tmp_path / "deep.yaml"
    deep.write_text("[" * 100_000, encoding="utf-8")
    lines = {
        latin: f"{latin}: is not UTF-8 text: byte 6 is 0xe4. Fix: save it as UTF-8.",
        tmp_path: f"{tmp_path}: is a folder. Fix: name the YAML file in it.",
        tmp_path / "no.yaml": f"{tmp_path / 'no.yaml'}: does not exist. Fix: check the path.",
        deep: f"{deep}: is nested too deeply. Fix: write `name: mine` on its first line, and sections below it.",
    }
    for file, line in lines.items():
        with pytest.raises(InputError) as caught:
            read_mapping(file)
        assert caught.value.lines == (line,)


def test_a_duplicate_is_found_at_any_depth(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r":3:5: the key b is already in line 2"):
        read(tmp_path, "a:\n  - b: 1\n    b: 2\n")
