"""What saved a state: it continues the same method, with the same settings, over the same parameters, or is refused.

- choice: a state that does not say what saved it, from before this was recorded, is loaded if it has the entries of the
  method that loads it and no other, and groups of the same sizes.
"""

from collections.abc import Mapping
from typing import Any

_OVER_OTHERS = "build the optimizer over the parameters of the same network, in the same groups"


def check_saved_by(state: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Refuse the state of another method or base optimizer, with other settings, or of parameters of other shapes.

    Args:
        state: to be loaded.
        own: the present state of the optimizer that loads it. Its `saved_by` has `method` and `base`, names of classes;
            `shapes` of the parameters; and the settings that the values of the state depend on, by name.

    Raises:
        ValueError: for the first difference.
    """
    method = own["saved_by"]["method"]
    if "base" not in state and {"state", "param_groups"} <= state.keys():
        fix = "load it into the base optimizer: optimizer.base.load_state_dict(state)"
        raise ValueError(f"this is the state of a torch optimizer alone, and not of {method}. Fix: {fix}")
    if "saved_by" not in state:
        unknown = [name for name in state if name not in own]
        error = _of_another(f"another method, with {', '.join(unknown)},", method) if unknown else ""
    else:
        error = _difference(state["saved_by"], own["saved_by"])
    if error:
        raise ValueError(error)


def check_group_sizes(saved: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Refuse a state of the base optimizer whose parameter groups have other sizes.

    Args:
        saved: of torch, with `param_groups`.
        own: the same, of the optimizer that loads it.

    Raises:
        ValueError: if the sizes differ.
    """
    sizes, own_sizes = ([len(group["params"]) for group in each["param_groups"]] for each in (saved, own))
    if sizes != own_sizes:
        rule = f"the state is of groups of {sizes} parameters, and this optimizer has groups of {own_sizes}"
        raise ValueError(f"{rule}. Fix: {_OVER_OTHERS}")


def _difference(saved: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    """Return the error for the first difference; empty where there is none."""
    method = own["method"]
    if saved["method"] != method:
        return _of_another(saved["method"], method)
    if saved["base"] != own["base"]:
        return (
            f"the state was saved by {method} over {saved['base']}, and {method} over {own['base']} cannot continue it."
            f" Fix: build {method} over {saved['base']}"
        )
    if saved["shapes"] != own["shapes"]:
        return f"the state is of parameters of other shapes. Fix: {_OVER_OTHERS}"
    for name, value in own.items():
        if saved.get(name) != value:
            return (
                f"the state was saved by {method} with {name} = {saved.get(name)!r}, and {method} with {name} ="
                f" {value!r} cannot continue it. Fix: build {method} with {name}={saved.get(name)!r}"
            )
    return ""


def _of_another(saved: str, method: str) -> str:
    fix = "load it into that method; or load state['base'] into the base optimizer, for its buffers alone"
    return f"the state was saved by {saved} and {method} cannot continue it. Fix: {fix}"
