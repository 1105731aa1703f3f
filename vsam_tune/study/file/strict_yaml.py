"""YAML as study files use it: safe, small, without duplicate keys, with the numbers of YAML 1.2, errors in one line."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from typing_extensions import override

from vsam_tune.errors import InputError, problem, shortened

_EXAMPLE = "write `name: mine` on its first line, and sections below it"
_MOST_BYTES = 2**20  # of a file; the study files here have at most 3 KB
_MOST_VALUES = 100_000  # of a file, each counted as often as aliases repeat it
_MOST_LEVELS = 40
_LARGEST = 2**63 - 1  # integers have 64 bits in Optuna's and MLflow's databases, and in torch

_TAG = "tag:yaml.org,2002:"
_TAGS = {f"{_TAG}{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map", "merge")}
_INTEGER = re.compile(r"[-+]?(?:[0-9][0-9_]*|0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+)\Z")
_FLOAT = re.compile(  # YAML 1.1 asks for a dot in front of an exponent, and for the exponent's sign
    r"[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?\Z"
    r"|[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z"
)
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+\Z")


class _Refused(yaml.MarkedYAMLError):
    """A rule of ours that a node breaks."""

    def __init__(self, rule: str, fix: str, node: yaml.Node) -> None:
        super().__init__(problem=rule, problem_mark=node.start_mark)
        self.fix = fix


class _StrictLoader(yaml.SafeLoader):
    """PyYAML's safe loader, except that keys are text and unique, 1e-5 is a number and 1:30 and 2026-01-01 are text."""

    def checked_node(self) -> yaml.Node | None:
        """Return the root of the document; None for an empty one.

        Raises:
            _Refused: if it holds a tag or text that is not allowed, too much, or itself.
        """
        root: yaml.Node | None = self.get_single_node()
        if root is not None:
            self._check(root, {}, [])
        return root

    def _check(self, node: yaml.Node, checked: dict[yaml.Node, tuple[int, int]], above: list[yaml.Node]) -> None:
        """Check a node and all below it; `checked` gets the number of its values and of its levels."""
        if any(node is each for each in above):
            raise _Refused("contains itself", "remove the alias", node)
        if node in checked:
            return
        if node.tag not in _TAGS:
            name = shortened(node.tag.replace(_TAG, "!!"), 40)
            raise _Refused(f"has the tag {name}, which is not known here", "remove the tag", node)
        inner: list[yaml.Node] = []
        if isinstance(node, yaml.ScalarNode):
            self._check_scalar(node)
        elif isinstance(node, yaml.SequenceNode):
            inner = node.value
        elif isinstance(node, yaml.MappingNode):
            inner = [each for pair in node.value for each in pair]
        for each in inner:
            self._check(each, checked, [*above, node])
        sizes = [checked[each] for each in inner]
        size = 1 + sum(each for each, _ in sizes), 1 + max((levels for _, levels in sizes), default=0)
        if size[0] > _MOST_VALUES:
            raise _Refused(f"has more than {_MOST_VALUES:,} values", "use fewer aliases, or shorter lists", node)
        if size[1] > _MOST_LEVELS:
            raise _Refused("is nested too deeply", f"use at most {_MOST_LEVELS} levels", node)
        checked[node] = size

    def _check_scalar(self, node: yaml.ScalarNode) -> None:
        text, kind = node.value, node.tag.removeprefix(_TAG)
        if "\0" in text or any("\ud800" <= each <= "\udfff" for each in text):
            raise _Refused("has a character that no text can hold", "remove it", node)
        if kind in ("str", "merge"):
            return
        resolved: str = self.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call] # in the stubs
        found = resolved.removeprefix(_TAG)
        if found != kind and (kind, found) != ("float", "int"):
            rule = f"{shortened(text, 40)} is not of the type !!{kind}"
            raise _Refused(rule, "remove the tag, or write another value", node)
        if kind == "int" and _LEADING_ZERO.match(text):
            sign, digits = text[: text[0] in "+-"], text.replace("_", "").lstrip("+-0")
            decimal = f"{sign}{digits or 0}"
            rule = f"{shortened(text, 40)} begins with 0, which is octal to some programs"
            raise _Refused(rule, f"write {shortened(decimal, 40)}, or put it in quotes if it is text", node)

    @override
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[str, int] = {}
        for key_node, _ in node.value:
            if key_node.tag == f"{_TAG}merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise _Refused(f"the key {shortened(str(key), 40)} must be text", "put it in quotes", key_node)
            if key in lines:
                rule = f"the key {shortened(key, 40)} is already in line {lines[key]}"
                raise _Refused(rule, "remove one of the two", key_node)
            lines[key] = key_node.start_mark.line + 1
        return super().construct_mapping(node, deep=True)

    @override
    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        text = node.value.replace("_", "")
        try:
            value = int(text, 0)
        except ValueError:  # of more digits than Python reads
            value = _LARGEST + 1
        if abs(value) > _LARGEST:
            raise _Refused(f"{shortened(text, 40)} does not fit into 64 bits", "write at most 18 digits", node)
        return value

    @override
    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        return float(re.sub(r"\.(?=[iInN])", "", node.value.replace("_", "")))


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, except that it puts text in quotes wherever `_StrictLoader` would read a number."""


_NUMBERS = ((f"{_TAG}int", _INTEGER), (f"{_TAG}float", _FLOAT))
_FIRST = "-+.0123456789"
_OTHERS = ("bool", "null", "merge")
_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.removeprefix(_TAG) in _OTHERS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag, _pattern in _NUMBERS:
    _StrictLoader.add_implicit_resolver(_tag, _pattern, list(_FIRST))
    _Dumper.add_implicit_resolver(_tag, _pattern, list(_FIRST))
for _kind in ("int", "float"):  # PyYAML looks a constructor up by its tag, not by its name
    _StrictLoader.add_constructor(f"{_TAG}{_kind}", getattr(_StrictLoader, f"construct_yaml_{_kind}"))


class NotYamlError(Exception):
    """A text that is no YAML, or breaks a rule of ours.

    Attributes:
        rule: that it breaks.
        fix: what to do about it.
        mark: the place in the text; None if it has none.
    """

    def __init__(self, rule: str, fix: str, mark: yaml.Mark | None = None) -> None:
        super().__init__(rule)
        self.rule, self.fix, self.mark = rule, fix, mark


def read_mapping(file: Path) -> dict[str, Any]:
    """Return the mapping that a YAML file holds.

    Raises:
        InputError: if the file cannot be read, or is not a YAML mapping; one line.
    """
    text = _read_text(file)
    try:
        content = read_value(text)
    except NotYamlError as error:
        raise InputError(problem(_place(file, error.mark), "", None, error.rule, error.fix)) from error
    if content is None:
        raise InputError(problem(file, "", None, "is empty", _EXAMPLE))
    if not isinstance(content, dict):
        raise InputError(problem(file, "", None, "must be a mapping of keys to values", _EXAMPLE))
    return content


def read_value(text: str) -> Any:  # noqa: ANN401 - whatever YAML can hold
    """Return the value that a YAML text stands for; None for an empty one.

    Raises:
        NotYamlError: if it is no YAML.
    """
    try:
        loader = _StrictLoader(text)
        root = loader.checked_node()
        return None if root is None else loader.construct_document(root)
    except _Refused as error:
        raise NotYamlError(str(error.problem), error.fix, error.problem_mark) from error
    except yaml.MarkedYAMLError as error:
        raise NotYamlError(_rule(error), "correct the YAML there", error.problem_mark) from error
    except yaml.YAMLError as error:
        raise NotYamlError(f"is not YAML: {error}", "remove that character") from error
    except RecursionError as error:
        raise NotYamlError("is nested too deeply", f"use at most {_MOST_LEVELS} levels") from error


def to_yaml(content: Mapping[str, Any]) -> str:
    """Return plain values as YAML that `read_mapping` reads as the same; keys stay in their order."""
    return yaml.dump(dict(content), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _place(file: Path, mark: yaml.Mark | None) -> object:
    return f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file


def _rule(error: yaml.MarkedYAMLError) -> str:
    mark, start = error.problem_mark, error.context_mark
    rule = error.problem or "is not YAML"
    if error.context and rule.startswith("but "):
        rule = f"{error.context} {rule}"
    if start and mark and start.line < mark.line:
        rule = f"{rule}, in the block that begins in line {start.line + 1}"
    return rule


def _read_text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)  # a device has no end
        if len(content) > _MOST_BYTES:
            raise InputError(problem(file, "", None, "is larger than 1 MiB", "name a study file or an export"))
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        rule = f"is not UTF-8 text: byte {error.start} is 0x{error.object[error.start]:02x}"
        raise InputError(problem(file, "", None, rule, "save it as UTF-8")) from error
    except IsADirectoryError as error:
        raise InputError(problem(file, "", None, "is a folder", "name the YAML file in it")) from error
    except FileNotFoundError as error:
        raise InputError(problem(file, "", None, "does not exist", "check the path")) from error
    except OSError as error:
        raise InputError(
            problem(file, "", None, f"cannot be read: {error.strerror}", "check its permissions")
        ) from error
