"""Object paths: their form, their objects, and the lines if there is no object."""

import sys
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.custom_extensions import stripes
from vsam_tune.errors import InputError
from vsam_tune.registry.object_reference import check_call, is_object_path, resolve_object

IDENTIFIERS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
resolve = partial(resolve_object, where="task", key="data", fix="name one")


@given(st.lists(IDENTIFIERS, min_size=1, max_size=3), IDENTIFIERS)
def test_modules_and_names_make_references(modules, name):
    assert is_object_path(f"{'.'.join(modules)}:{name}")


@pytest.mark.parametrize(
    "name",
    [
        "",
        ":",
        "a",
        "a.b",
        "a:",
        ":b",
        "a:b:c",
        "a:b.c",
        "a.:b",
        ".a:b",
        "a..b:c",
        "1a:b",
        "a:1b",
        "a-b:c",
        "a :b",
        "a:b\n",
    ],
)
def test_anything_else_is_none(name):
    assert not is_object_path(name)


def test_it_is_found_in_its_module():
    assert resolve("tests.support.custom_extensions:stripes") is stripes


@pytest.mark.parametrize(
    ("reference", "rule"),
    [
        ("tests.nowhere:read", "No module named 'tests.nowhere'"),
        ("tests.support.custom_extensions:spots", "module 'tests.support.custom_extensions' has no attribute 'spots'"),
        ("tests.support.custom_extensions:NUMBER", "is neither a function nor a class"),
    ],
)
def test_a_missing_object_is_an_error(reference, rule):
    with pytest.raises(InputError) as caught:
        resolve(reference)
    assert caught.value.lines == (f"task: data = '{reference}': {rule}. Fix: name one.",)


def test_a_syntax_error_is_shown_with_its_line(tmp_path, monkeypatch):
    (tmp_path / "no_python.py").write_text("import sys\ndef read(request:\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"was never closed \(no_python.py, line 2\)"):
        resolve("no_python:read")
    assert "no_python" not in sys.modules


def test_an_error_of_its_module_is_not_hidden(tmp_path, monkeypatch):
    (tmp_path / "broken_module.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ZeroDivisionError):
        resolve("broken_module:read")


def three(a, b, *, c=0):
    return a, b, c


@pytest.mark.parametrize(("arguments", "options"), [((1, 2), {}), ((1, 2), {"c": 3}), ((1,), {"b": 2})])
def test_a_call_that_fits(arguments, options):
    check_call(three, *arguments, where="here", options=options)


@pytest.mark.parametrize(
    ("arguments", "options", "rule"),
    [
        ((1, 2), {"d": 3}, "got an unexpected keyword argument 'd'"),
        ((1, 2, 3), {}, "too many positional arguments"),
        ((1,), {}, "missing a required argument: 'b'"),
        ((1, 2), {"a": 3}, "multiple values for argument 'a'"),
    ],
)
def test_a_call_that_does_not_fit(arguments, options, rule):
    with pytest.raises(InputError) as caught:
        check_call(three, *arguments, where="here", options=options)
    assert caught.value.lines == (f"here: {rule}. Fix: use its arguments: a, b, c.",)


def test_a_function_without_a_signature_is_not_checked():
    check_call(iter, 1, 2, 3, 4, where="here", options={"d": 3})
