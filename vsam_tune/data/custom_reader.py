"""Custom readers, `module:function`: called like those of DATASETS, and their results are checked in the same way."""

import torch
from torch import Tensor

from vsam_tune.data.images import Images
from vsam_tune.data.source import Request, Source, checked_source
from vsam_tune.errors import InputError, problem
from vsam_tune.registry.object_reference import check_call, resolve_object


def read(request: Request) -> Source:
    """Return the source that the function at `request.name` reads.

    Raises:
        InputError: there is no such function, it does not take a request, or it does not return a source with images
            and labels that pass `checked_source`.
    """
    name = request.name
    fix = "name a function from a Request to a Source, in a module that is installed or in this folder"
    reader = resolve_object(name, where="task", key="data", fix=fix)
    check_call(reader, request, where=name, options={})
    source = reader(request)
    if not isinstance(source, Source):
        rule = f"must return a vsam_tune.data.source.Source, not {type(source).__name__}"
        raise InputError(problem(name, "", None, rule, "return checked_source(request.name, train, test)"))
    parts = {"train": source.train, "test": source.test}
    found = [line for part, images in parts.items() for line in _problems_of(name, part, images)]
    if found:
        raise InputError(*found)
    checked = checked_source(name, source.train, source.test)
    if checked.num_classes != source.num_classes:
        rule = f"must be {checked.num_classes}, the largest training label plus one"
        fix = "return checked_source(request.name, train, test)"
        raise InputError(problem(name, "num_classes", source.num_classes, rule, fix))
    return checked


def _problems_of(name: str, part: str, images: object) -> list[str]:
    """Return the problems of types and shapes of one part."""
    if not isinstance(images, Images):
        return [problem(name, part, None, f"must be an Images, not {type(images).__name__}", "make it Images(x, y)")]
    found = []
    x: object = images.x  # its annotation may be wrong
    y: object = images.y
    if not (isinstance(x, Tensor) and x.dtype == torch.uint8 and x.ndim == 4 and 0 not in x.shape[1:]):
        rule = "must be a uint8 tensor, (N, C, H, W)"
        found.append(problem(name, f"{part}.x", _kind(x), rule, "make it one, values 0 to 255"))
    if not (isinstance(y, Tensor) and y.dtype == torch.int64 and y.ndim == 1):
        found.append(problem(name, f"{part}.y", _kind(y), "must be an int64 tensor, (N,)", "make it one, from 0"))
    if not found and len(images.x) != len(images.y):
        rule = f"must be one label per image; there are {len(images.x)} images"
        found.append(problem(name, f"length of {part}.y", len(images.y), rule, "make both from the same images"))
    return found


def _kind(value: object) -> str:
    """Return dtype and shape of a tensor, such as `float32 (3, 8, 8)`; else the name of the type."""
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    return type(value).__name__
