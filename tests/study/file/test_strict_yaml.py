import math
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsam_tune.errors import InputError
from vsam_tune.study.file.strict_yaml import read_mapping, to_yaml


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
        ("1.5e3", 1500.0),
        ("1.e3", 1000.0),
        (".5E1", 5.0),
        ("-0.5", -0.5),
        ("01.5", 1.5),
        ("1_000", 1000),
        ("0", 0),
        ("-0x1F", -31),
        ("0b101", 5),
        ("0o17", 15),
        (str(2**63 - 1), 2**63 - 1),
        (str(1 - 2**63), 1 - 2**63),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("1e999", math.inf),
        ("1:30", "1:30"),
        ("-1:30:15", "-1:30:15"),
        ("1:30.5", "1:30.5"),
        ("'010'", "010"),
        ("!!str 010", "010"),
        ("!!float 3", 3.0),
        ("!!int '3'", 3),
        ("=", "="),
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
        deep: f"{deep}: is nested too deeply. Fix: use at most 40 levels.",
    }
    for file, line in lines.items():
        with pytest.raises(InputError) as caught:
            read_mapping(file)
        assert caught.value.lines == (line,)


def test_a_duplicate_is_found_at_any_depth(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r":3:5: the key b is already in line 2"):
        read(tmp_path, "a:\n  - b: 1\n    b: 2\n")


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 10)
)
MERGED = "a0: &a0 {x: 1}\n" + "".join(
    f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 10)}]}}\n" for level in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param(BOMB, "5:5: has more than 100,000 values. Fix: use fewer aliases, or shorter lists.", id="a bomb"),
        pytest.param(
            MERGED, "6:14: has more than 100,000 values. Fix: use fewer aliases, or shorter lists.", id="merged"
        ),
        ("a: " + "[" * 50 + "]" * 50, "1:13: is nested too deeply. Fix: use at most 40 levels."),
        ("a: &a {b: *a}", "1:4: contains itself. Fix: remove the alias."),
        ("a: &a [[*a]]", "1:4: contains itself. Fix: remove the alias."),
        ("a: 010", "1:4: 010 begins with 0, which is octal to some programs. "
         "Fix: write 10, or put it in quotes if it is text."),
        ("a: -0_89", "1:4: -0_89 begins with 0, which is octal to some programs. "
         "Fix: write -89, or put it in quotes if it is text."),
        ("a: 000", "1:4: 000 begins with 0, which is octal to some programs. "
         "Fix: write 0, or put it in quotes if it is text."),
        (f"a: {2**63}", f"1:4: {2**63} does not fit into 64 bits. Fix: write at most 18 digits."),
        (f"a: {-2**63}", f"1:4: {-2**63} does not fit into 64 bits. Fix: write at most 18 digits."),
        pytest.param(f"a: {'9' * 5000}", "1:4: 99999999999999999999...9999999999 (5,000 characters) does not fit into "
                     "64 bits. Fix: write at most 18 digits.", id="5,000 digits"),
        pytest.param(f"a: 0x{'F' * 5000}", "1:4: 0xFFFFFFFFFFFFFFFFFF...FFFFFFFFFF (5,002 characters) does not fit "
                     "into 64 bits. Fix: write at most 18 digits.", id="5,000 digits to the base of 16"),
        ("a: 0b_", "1:4: 0b does not fit into 64 bits. Fix: write at most 18 digits."),
        ("a: !!int abc", "1:4: abc is not of the type !!int. Fix: remove the tag, or write another value."),
        ("a: !!int ''", "1:4: is not of the type !!int. Fix: remove the tag, or write another value."),
        ("a: !!int 1.5", "1:4: 1.5 is not of the type !!int. Fix: remove the tag, or write another value."),
        ("a: !!float x", "1:4: x is not of the type !!float. Fix: remove the tag, or write another value."),
        ("a: !!bool maybe", "1:4: maybe is not of the type !!bool. Fix: remove the tag, or write another value."),
        ("a: !!null x", "1:4: x is not of the type !!null. Fix: remove the tag, or write another value."),
        ("a: !!map x", "1:4: x is not of the type !!map. Fix: remove the tag, or write another value."),
        ("a: !!seq {b: 1}", "1:4: expected a sequence node, but found mapping. Fix: correct the YAML there."),
        ("a: !!str [1]", "1:4: expected a scalar node, but found sequence. Fix: correct the YAML there."),
        ("a: !!set {b}", "1:4: has the tag !!set, which is not known here. Fix: remove the tag."),
        ("a: !!timestamp 2026-01-01", "1:4: has the tag !!timestamp, which is not known here. Fix: remove the tag."),
        ("a: !!binary aGFsbG8=", "1:4: has the tag !!binary, which is not known here. Fix: remove the tag."),
        ("a: !!python/object/apply:os.system [date]",
         "1:4: has the tag !!python/object/apply:os.system, which is not known here. Fix: remove the tag."),
        ('a: "npz:a\\0b"', "1:4: has a character that no text can hold. Fix: remove it."),
        ('"a\\ud800": 1', "1:1: has a character that no text can hold. Fix: remove it."),
        pytest.param(f"? {'k' * 500_000}\n: 1\n? {'k' * 500_000}\n: 2\n", f"3:3: the key {'k' * 20}...{'k' * 10} "
                     "(500,000 characters) is already in line 1. Fix: remove one of the two.", id="a long key"),
        pytest.param(f"? [{'k' * 10**6}]\n: 1\n", f"1:3: the key ['{'k' * 18}...{'k' * 8}'] "
                     "(1,000,004 characters) must be text. Fix: put it in quotes.", id="a long key of another type"),
        ("? [1]\n: 2", "1:3: the key [1] must be text. Fix: put it in quotes."),
        ("a; b: 1\na; b: 2", "2:1: the key a; b is already in line 1. Fix: remove one of the two."),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, line: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    (found,) = caught.value.lines
    assert found.removeprefix(f"{tmp_path / 'a.yaml'}:") == line


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/urandom", "/dev/full"])
def test_a_device_without_an_end(path: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"{path}: is larger than 1 MiB. Fix: name a study file")):
        read_mapping(Path(path))


def test_a_file_of_values_that_are_all_its_own_may_be_large(tmp_path: Path) -> None:
    point = "{rho: 0.05, lr: 0.1}"
    content = read(tmp_path, "initial:\n" + f"  - {point}\n" * 10_000)
    assert content == {"initial": [{"rho": 0.05, "lr": 0.1}] * 10_000}


def test_a_pipe_is_read() -> None:
    """A shell hands over the output of a program so: `check <(make-study)`."""
    reader, writer = os.pipe()
    os.write(writer, b"name: a\n")
    os.close(writer)
    assert read_mapping(Path(f"/dev/fd/{reader}")) == {"name": "a"}
    os.close(reader)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(1 - 2**63, 2**63 - 1) | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
    | st.from_regex(r"[-+0-9.:eE_xob]{1,8}", fullmatch=True),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab1e:", min_size=1), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(value=PLAIN)
def test_what_is_written_is_read_as_the_same(value: object, folder: Path) -> None:
    """Also text that looks like a number, such as 1e5, which PyYAML writes without quotes."""
    content = {"a": value}
    assert repr(read(folder, to_yaml(content))) == repr(content)
