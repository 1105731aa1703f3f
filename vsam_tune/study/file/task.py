"""`task:`, what a trial trains: its keys, the checks across them, and its completion."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, JsonValue, field_validator

from search_spaces.schema import LARGEST_COUNT, Strict, broken
from vsam_tune.registry.data_and_models import CUSTOM_DATASET, DATASETS, MODELS
from vsam_tune.registry.hyperparameter import Hyperparameter
from vsam_tune.registry.object_reference import is_object_path
from vsam_tune.study.file.hyperparameters import NamedSettings
from vsam_tune.study.file.label_smoothing import Smoothing
from vsam_tune.study.file.method import NO_REFERENCE, check_name, check_settings, is_plain, named, typed
from vsam_tune.study.file.problems import Problem, suggestion
from vsam_tune.study.file.quantization import Quantization

_LARGEST_SEED = 2**63 - 1  # as YAML files can hold; sub-seeds are hashes of it
_NO_PATH = (RuntimeError, ValueError, OSError)  # an unknown user's home, a circle of links; a NUL; a name too long
_GIVEN_BY_THE_TRIAL = ("in_channels", "image_size", "num_classes", "seed")  # to the builder of a custom model


def _read_model(value: object) -> object:
    content = {"name": value} if isinstance(value, str) else value
    if isinstance(content, dict):
        named(content)
    return content


_Model = Annotated[dict[str, JsonValue], BeforeValidator(_read_model)]


class Task(Strict):
    """`task:`, what a trial trains.

    Attributes:
        data: a key of DATASETS, `npz:PATH` or `folder:PATH`, the path absolute once it is loaded; or `module:function`,
            a custom reader.
        label_noise: probability that a training label is redrawn, uniformly over all classes.
        validation_fraction: part of the training set that is held out; that of the data set once it is loaded.
        subset: training images to use, before the validation part is taken off; None for all.
        resize: side in pixels to which images are averaged, None to leave them.
        data_root: folder of the downloadable data sets.
        download: whether missing data sets may be downloaded.
        model: `name`, a key of MODELS or a custom `module:builder`, and its options.
        initial_checkpoint: path of the weights that a trial starts from; None for random weights.
        quantization: bits of weights and inputs, to train with LSQ; None for full precision.
        epochs: full budget of a trial, which its learning-rate schedule spans.
        batch_size: images an iteration.
        seed: fixes the split and the noise; a trial's seed is derived from it and its number.
        augmentation: of training images; the order is always crop, flip, cutout.
        label_smoothing: soft targets in the training loss; a number N is short for `{epsilon: N}`; None for none.
            Evaluation never smooths.
        channels_last: memory format of images and weights; convolutions on CPUs are faster with it. CPUs ignore it
            for 1x1 convolutions with a stride and less than 16 input channels: oneDNN's gradient is wrong.
        precision: of the forward passes; bfloat16 by autocast, the weights stay float32.
        micro_batches: parts of a batch, which run one after the other; for a batch that does not fit into memory.
        max_gradient_norm: largest norm of the gradient of an update; None for no clipping.
        compiled: whether torch compiles the network when a trial starts; this needs a C++ compiler or a GPU.
        options: for a custom trainable, which gets them unchanged.
    """

    data: str = Field("digits", description="write digits, or another name that `vsam-tune models` lists")
    label_noise: float = Field(0.0, ge=0, le=1, description="write a fraction of the training labels, 0 to 1")
    validation_fraction: float | None = Field(None, gt=0, lt=1, description="write a fraction such as 0.1")
    subset: int | None = Field(
        None, ge=1, le=LARGEST_COUNT, description="write a number of training images, or null for all"
    )
    resize: int | None = Field(
        None, ge=1, le=LARGEST_COUNT, description="write a side in pixels, or null to leave the images"
    )
    data_root: str | None = Field(None, min_length=1, description="write the folder of the data sets, or null")
    download: bool = Field(default=False, description="write true or false")
    model: Annotated[dict[str, JsonValue], BeforeValidator(_read_model)] = Field(
        {"name": "cnn"}, description="write cnn, or {name: resnet8, width: 32}"
    )
    initial_checkpoint: str | None = Field(None, min_length=1, description="write the path of a checkpoint.pt, or null")
    quantization: Quantization | None = Field(None, description="write {weight_bits: 4}, or null")
    epochs: int = Field(
        40, ge=1, le=LARGEST_COUNT, description="write the number of passes over the training images, such as 40"
    )
    batch_size: int = Field(128, ge=1, le=LARGEST_COUNT, description="write a number of images, such as 128")
    seed: int = Field(0, ge=0, le=_LARGEST_SEED, description="write a whole number >= 0")
    augmentation: tuple[Literal["crop", "flip", "cutout"], ...] = Field(
        (), strict=False, description="write a list of crop, flip, cutout"
    )
    label_smoothing: Smoothing = Field(None, description="write 0.1, or {epsilon: 0.1, over: all}, or null")
    channels_last: bool = Field(default=True, description="write true or false")
    precision: Literal["float32", "bfloat16"] = Field("float32", description="write float32 or bfloat16")
    micro_batches: int = Field(1, ge=1, le=LARGEST_COUNT, description="write the number of parts of a batch, such as 1")
    max_gradient_norm: float | None = Field(None, gt=0, description="write a norm such as 5.0, or null")
    compiled: bool = Field(default=False, description="write true or false")
    options: dict[str, JsonValue] = Field({}, description="write a mapping, or leave it out")

    @field_validator("augmentation", mode="after")
    @classmethod
    def _check_augmentation(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise broken("", "must not contain duplicates", "remove the second one")
        return names


def check_task(task: Task, folder: Path, *, custom_trainable: bool) -> Iterator[Problem]:
    """Yield the problems of names in `task:` and between its keys.

    Args:
        task: as it was read.
        folder: of the file.
        custom_trainable: may know other names.
    """
    if task.options and not custom_trainable:
        yield Problem("task.options", None, "are only for a custom trainable", "remove them, or name your trainable")
    if not is_plain(task.options):
        yield Problem("task.options", None, "must be plain JSON", "write numbers, words, lists, mappings")
    yield from _check_model(task, custom_trainable=custom_trainable)
    yield from _check_paths(task)
    scheme, _, path = task.data.partition(":")
    if scheme in DATASETS:
        yield from _check_data(task, scheme, path)
    elif not custom_trainable and not is_object_path(task.data):
        if ":" in task.data:
            yield Problem("task.data", task.data, NO_REFERENCE, "write my_module:read, or npz:PATH")
        else:
            fix = _with_scheme(task.data, folder) or suggestion(task.data, DATASETS, "known data")
            yield Problem("task.data", task.data, "is not known", fix)


def _with_scheme(data: str, folder: Path) -> str:
    """Return the fix for a path without its scheme; empty if it is no path of images.

    It may be relative to the folder of the file, or to the current folder if it comes from the command line.
    """
    here = Path.cwd()
    for base in (folder, here):
        path = base / data
        try:
            scheme = "folder" if path.is_dir() else "npz" if path.is_file() and path.suffix == ".npz" else ""
        except OSError:  # a name that is too long
            continue
        if data and scheme:
            return f"write {scheme}:{data if folder.resolve() == here else path.absolute()}"
    return ""


def complete_task(task: Task, folder: Path, *, custom_trainable: bool) -> Task:
    """Return a task with the defaults of its data set and model, and with paths from `folder` made absolute."""
    dataset = DATASETS.get(task.data.partition(":")[0], None if custom_trainable else CUSTOM_DATASET)
    fraction = task.validation_fraction or (dataset and dataset.validation_fraction)
    paths = {
        key: absolute(path, folder)
        for key in ("data_root", "initial_checkpoint")
        if (path := getattr(task, key)) is not None
    }
    data, model = absolute_data(task.data, folder), _model(task, custom_trainable=custom_trainable)
    return task.model_copy(
        update={**paths, "data": data, "validation_fraction": fraction, "model": _complete_model(model)}
    )


def absolute(path: str, folder: Path) -> str:
    """Return a path that a file in `folder` names, absolute; unchanged if `check_task` refuses it."""
    try:
        return str((folder / Path(path).expanduser()).resolve())
    except _NO_PATH:
        return path


def absolute_data(data: str, folder: Path) -> str:
    """Return a data specification with its path, if it has one, absolute; unchanged if `check_task` refuses it."""
    path = _path_of(data)
    return f"{data.partition(':')[0]}:{absolute(path, folder)}" if path else data


def _path_of(data: str) -> str:
    """Return the path of a data specification; empty if it has none."""
    scheme, _, path = data.partition(":")
    return path if scheme in DATASETS and DATASETS[scheme].takes_path else ""


def _check_paths(task: Task) -> Iterator[Problem]:
    """Yield a problem for each path that cannot be one, whatever files there are."""
    paths = {"data": _path_of(task.data), "data_root": task.data_root, "initial_checkpoint": task.initial_checkpoint}
    for key, path in paths.items():
        try:
            Path(path or "").expanduser().resolve().lstat()
        except (FileNotFoundError, NotADirectoryError, PermissionError):  # the machine of the trials may have it
            pass
        except _NO_PATH as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error).rstrip(".")
            yield Problem(f"task.{key}", getattr(task, key), f"names no path: {reason}", "correct the path")


def _check_data(task: Task, scheme: str, path: str) -> Iterator[Problem]:
    dataset = DATASETS[scheme]
    if dataset.takes_path and not path:
        yield Problem("task.data", task.data, "needs a path after the colon", f"write {scheme}:PATH")
    if not dataset.takes_path and task.data != scheme:
        yield Problem("task.data", task.data, "takes no path", f"write {scheme}")
    for key, value in (("data_root", task.data_root), ("download", task.download)):
        if value and not dataset.downloads:
            yield Problem(f"task.{key}", value, f"has no effect on {scheme}", "leave it out")


def _check_model(task: Task, *, custom_trainable: bool) -> Iterator[Problem]:
    model = _model(task, custom_trainable=custom_trainable)
    known = _options(model.name)
    wrong_name = list(check_name(model, "task.model", MODELS, any_name=custom_trainable))
    if wrong_name:
        yield from wrong_name
    elif model.name in MODELS:
        yield from check_settings(model, known, "task.model", accepts_unknown_settings=custom_trainable)
    elif not custom_trainable:
        for name in _GIVEN_BY_THE_TRIAL:
            if name in model.settings:
                rule = "cannot be set: the images and the trial's seed determine it"
                yield Problem(f"task.model.{name}", model.settings[name], rule, "remove it, or use another name")
        yield from check_settings(model, known, "task.model", accepts_unknown_settings=True)


def _model(task: Task, *, custom_trainable: bool) -> NamedSettings:
    model = named(task.model)
    return model if model.name or custom_trainable else replace(model, name="cnn")


def _complete_model(model: NamedSettings) -> dict[str, JsonValue]:
    known = _options(model.name)
    return {"name": model.name, **{name: known[name].default for name in known}, **typed(model.settings, known)}


def _options(model: str) -> dict[str, Hyperparameter]:
    options = MODELS[model].options if model in MODELS else {}
    return {name: Hyperparameter(default=options[name], low=1, meaning="the default") for name in options}
