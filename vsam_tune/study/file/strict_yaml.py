"""YAML as study files use it: safe, without duplicate keys, with numbers such as 1e-5, errors in one line."""

import re
from pathlib import Path
from typing import Any

import yaml
from typing_extensions import override

from vsam_tune.errors import InputError, problem

_EXAMPLE = "write `name: mine` on its first line, and sections below it"


class _StrictLoader(yaml.SafeLoader):
    """PyYAML's safe loader, except that keys are text and unique, 1e-5 is a number and 2026-01-01 is text."""

    @override
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[str, int] = {}
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if not isinstance(key, str):
                problem = f"the key {key!r} must be text; put it in quotes"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            if key in lines:
                problem = f"the key {key} is already in line {lines[key]}; remove one of the two"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            lines[key] = line
        return super().construct_mapping(node, deep=True)  # deep: an alias of itself is an error, not a loop


_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_StrictLoader.add_implicit_resolver(  # YAML 1.1 asks for a dot in front of an exponent
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+\Z"), list("-+0123456789")
)


def read_mapping(file: Path) -> dict[str, Any]:
    """Return the mapping that a YAML file holds.

    Raises:
        InputError: if the file cannot be read, or is not a YAML mapping; one line.
    """
    text = _read_text(file)
    try:
        content = _StrictLoader(text).get_single_data()
    except yaml.MarkedYAMLError as error:
        raise InputError(_explain(file, error)) from error
    except yaml.YAMLError as error:
        raise InputError(problem(file, "", None, f"is not YAML: {error}", "remove that character")) from error
    except RecursionError as error:
        raise InputError(problem(file, "", None, "is nested too deeply", _EXAMPLE)) from error
    if content is None:
        raise InputError(problem(file, "", None, "is empty", _EXAMPLE))
    if not isinstance(content, dict):
        raise InputError(problem(file, "", None, "must be a mapping of keys to values", _EXAMPLE))
    return content


def _explain(file: Path, error: yaml.MarkedYAMLError) -> str:
    mark, start = error.problem_mark, error.context_mark
    where = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
    rule, _, fix = (error.problem or "is not YAML").partition("; ")
    if error.context and rule.startswith("but "):
        rule = f"{error.context} {rule}"
    if start and mark and start.line < mark.line:
        rule = f"{rule}, in the block that begins in line {start.line + 1}"
    return problem(where, "", None, rule, fix or "correct the YAML there")


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
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
