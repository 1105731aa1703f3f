"""The tables of docs that follow from code: `python -m tests.support.docs.generated` writes them again."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from search_spaces.loader import base_space, default_space
from search_spaces.schema import Dimension
from tests.support.docs import bad_inputs
from tests.support.docs.markdown import code, table
from tests.support.docs.method_tables import METHOD_TABLES, setting_row
from tests.support.docs.sections import SECTION_TABLES, attributes
from tests.support.multiply_adds import multiply_adds
from vsam_tune.analysis.comparison import ComparedRow
from vsam_tune.analysis.confirmed_row import ConfirmedRow
from vsam_tune.models.build import build_shapes, count_parameters
from vsam_tune.registry.base_optimizers import BASE_OPTIMIZERS
from vsam_tune.registry.data_and_models import DATASETS, MODELS
from vsam_tune.registry.methods import METHODS
from vsam_tune.registry.metrics import METRICS

DOCS = Path(__file__).parents[3] / "docs"
_BLOCK = re.compile(r"(<!-- generated: ([\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def base_optimizers() -> str:
    rows = [
        (name, *setting_row(key, setting))
        for name, entry in BASE_OPTIMIZERS.items()
        for key, setting in entry.settings.items()
    ]
    return table(("base optimizer", "setting", "default", "rule", "meaning", "source of the default"), rows)


def spaces() -> str:
    rows = [
        (code(name), _ranges(default_space(name).searched), _ranges(_own(default_space(name).optional)))
        for name in METHODS
    ]
    return table(("method", "searched", "can be switched on"), rows)


def base_spaces() -> str:
    rows = [(code(name), _ranges(base_space(name))) for name in BASE_OPTIMIZERS]
    return table(("base optimizer", "can be switched on"), rows)


def _own(dimensions: Mapping[str, Dimension]) -> dict[str, Dimension]:
    return {name: dimension for name, dimension in dimensions.items() if name not in BASE_OPTIMIZERS["sgd"].settings}


def _ranges(dimensions: Mapping[str, Dimension]) -> str:
    return "<br>".join(f"{code(name)} {_extent(dimension)}" for name, dimension in dimensions.items())


def _extent(dimension: Dimension) -> str:
    when = " and ".join(f"{name} is {' or '.join(map(str, values))}" for name, values in (dimension.when or {}).items())
    condition = f", if {when}" if when else ""
    if dimension.type == "categorical":
        return f"{', '.join(map(str, dimension.choices))}{condition}"
    scale = ", log" if dimension.log else ""
    return f"{dimension.type} {dimension.low:g} to {dimension.high:g}{scale}{condition}"


def data_sets() -> str:
    rows = [
        (
            code(f"{name}:PATH" if entry.takes_path else name),
            f"{entry.validation_fraction:g}",
            "yes" if entry.downloads else "",
            entry.source,
        )
        for name, entry in DATASETS.items()
    ]
    return table(("name", "validation part", "can be downloaded", "contents"), rows)


def models() -> str:
    rows = []
    for name, entry in MODELS.items():
        model = build_shapes(name, num_classes=10)
        millions = multiply_adds(model, entry.channels, entry.image_size) / 1e6
        options = ", ".join(code(f"{key}: {value}") for key, value in entry.options.items())
        images = f"{entry.channels}x{entry.image_size}x{entry.image_size}"
        rows.append((code(name), f"{count_parameters(model):,}", f"{millions:,.1f}", images, options, entry.source))
    return table(("name", "parameters", "million multiply-adds", "for images of", "options", "source"), rows)


def objectives() -> str:
    rows = [(code(name), each.direction, each.unit, each.meaning) for name, each in METRICS.items() if each.direction]
    return table(("name", "direction", "unit", "meaning"), rows)


def diagnostics() -> str:
    rows = [(code(name), each.unit, each.meaning) for name, each in METRICS.items() if not each.direction]
    return table(("name", "unit", "meaning"), rows)


def comparison() -> str:
    return table(("key", "meaning"), [(code(name), meaning) for name, meaning in attributes(ComparedRow).items()])


def confirmation() -> str:
    return table(("key", "meaning"), [(code(name), meaning) for name, meaning in attributes(ConfirmedRow).items()])


GENERATED: dict[str, Callable[[], str]] = {
    **METHOD_TABLES,
    "base optimizers": base_optimizers,
    "spaces": spaces,
    "base spaces": base_spaces,
    "data sets": data_sets,
    "models": models,
    "objectives": objectives,
    "diagnostics": diagnostics,
    "comparison": comparison,
    "confirmation": confirmation,
    "bad commands": bad_inputs.commands,
    "bad contents": bad_inputs.contents,
    **SECTION_TABLES,
}


def regenerated(text: str) -> str:
    """Return a page with its generated blocks brought up to date."""
    return _BLOCK.sub(lambda found: f"{found[1]}\n{GENERATED[found[2]]()}\n{found[3]}", text)


def used(text: str) -> list[str]:
    """Return the names of a page's generated blocks."""
    return [name for _, name, _ in _BLOCK.findall(text)]


def main() -> None:
    """Write the blocks of all pages again."""
    for page in DOCS.glob("*.md"):
        page.write_text(regenerated(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
