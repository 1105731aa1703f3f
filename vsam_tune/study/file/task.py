"""`task:`, what a trial trains: its keys, the checks across them, and its completion."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, JsonValue, field_validator

from search_spaces.schema import Strict, broken
from vsam_tune.registry.data_and_models import CUSTOM_DATASET, DATASETS, MODELS
from vsam_tune.registry.hyperparameter import Hyperparameter
from vsam_tune.registry.object_reference import is_object_path
from vsam_tune.study.file.hyperparameters import NamedSettings
from vsam_tune.study.file.method import NO_REFERENCE, check_name, check_settings, is_plain, named, typed
from vsam_tune.study.file.problems import Problem, suggestion
from vsam_tune.study.file.quantization import Quantization

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
            a reader of one's own.
        label_noise: probability that a training label is redrawn, uniformly over all classes.
        validation_fraction: part of the training set that is held out; the data set's own once it is loaded.
        subset: training images to use, before the validation part is taken off; None for all.
        resize: side in pixels to which images are averaged, None to leave them.
        data_root: folder of the downloadable data sets.
        download: whether they may be downloaded where they are missing.
        model: `name`, a key of MODELS or `module:builder` of one's own, and its options.
        initial_checkpoint: whose weights a trial starts from, such as one that `vsam-tune train` wrote; None for random
            ones.
        quantization: bits of weights and inputs, to train with LSQ; None for full precision.
        epochs: full budget of a trial, which its learning-rate schedule spans.
        batch_size: images an iteration.
        seed: fixes the split and the noise; a trial's seed is derived from it and its number.
        augmentation: of training images; whatever the order here, crop comes first, then flip, then cutout.
        channels_last: memory format of images and weights; convolutions on CPUs are faster with it. Not taken there for
            a network whose 1x1 convolutions have a stride and less than 16 input channels: oneDNN's gradient is wrong.
        precision: of the forward passes; bfloat16 by autocast, the weights stay float32.
        micro_batches: parts that a batch is run in, one after the other, for a batch that memory does not hold.
        max_gradient_norm: what the gradient that is descended along is clipped to; None for no clipping.
        compiled: whether torch compiles the network when a trial starts; it takes a C++ compiler, or a GPU.
        options: handed to a trainable of one's own as they are.
    """

    data: str = Field("digits", description="write digits, or another name that `vsam-tune models` lists")
    label_noise: float = Field(0.0, ge=0, le=1, description="write a fraction of the training labels, 0 to 1")
    validation_fraction: float | None = Field(None, gt=0, lt=1, description="write a fraction such as 0.1")
    subset: int | None = Field(None, ge=1, description="write a number of training images, or null for all")
    resize: int | None = Field(None, ge=1, description="write a side in pixels, or null to leave the images")
    data_root: str | None = Field(None, min_length=1, description="write the folder of the data sets, or null")
    download: bool = Field(default=False, description="write true or false")
    model: Annotated[dict[str, JsonValue], BeforeValidator(_read_model)] = Field(
        {"name": "cnn"}, description="write cnn, or {name: resnet8, width: 32}"
    )
    initial_checkpoint: str | None = Field(None, min_length=1, description="write the path of a checkpoint.pt, or null")
    quantization: Quantization | None = Field(None, description="write {weight_bits: 4}, or null")
    epochs: int = Field(40, ge=1, description="write how often a trial sees its training images")
    batch_size: int = Field(128, ge=1, description="write a number of images, such as 128")
    seed: int = Field(0, ge=0, description="write a whole number >= 0")
    augmentation: tuple[Literal["crop", "flip", "cutout"], ...] = Field(
        (), strict=False, description="write a list of crop, flip, cutout"
    )
    channels_last: bool = Field(default=True, description="write true or false")
    precision: Literal["float32", "bfloat16"] = Field("float32", description="write float32 or bfloat16")
    micro_batches: int = Field(1, ge=1, description="write 1, or in how many parts a batch is run")
    max_gradient_norm: float | None = Field(None, gt=0, description="write a norm such as 5.0, or null")
    compiled: bool = Field(default=False, description="write true or false")
    options: dict[str, JsonValue] = Field({}, description="write a mapping, or leave it out")

    @field_validator("augmentation", mode="after")
    @classmethod
    def _check_augmentation(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise broken("", "must not name one twice", "leave the second one out")
        return names


def check_task(task: Task, *, custom_trainable: bool) -> Iterator[Problem]:
    """Yield what is wrong between the keys of `task:`, and with its names.

    Args:
        task: as read.
        custom_trainable: whether the trainable is custom, and so may know other data, models and options.
    """
    if task.options and not custom_trainable:
        yield Problem("task.options", None, "are for a trainable of your own", "leave them out, or name your trainable")
    if not is_plain(task.options):
        yield Problem("task.options", None, "must be plain JSON", "write numbers, words, lists, mappings")
    yield from _check_model(task, custom_trainable=custom_trainable)
    scheme, _, path = task.data.partition(":")
    if scheme in DATASETS:
        yield from _check_data(task, scheme, path)
    elif not custom_trainable and not is_object_path(task.data):
        if ":" in task.data:
            yield Problem("task.data", task.data, NO_REFERENCE, "write my_module:read, or npz:PATH")
        else:
            yield Problem("task.data", task.data, "is not known", suggestion(task.data, DATASETS, "known data"))


def complete_task(task: Task, folder: Path, *, custom_trainable: bool) -> Task:
    """Return a task with the defaults of its data set and model, and absolute paths.

    Args:
        task: as read.
        folder: relative paths start from it.
        custom_trainable: as for `check_task`.
    """
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
    """Return a path that a file in `folder` names, absolute."""
    return str((folder / Path(path).expanduser()).resolve())


def absolute_data(data: str, folder: Path) -> str:
    """Return a data specification with its path, if it has one, absolute."""
    scheme, _, path = data.partition(":")
    takes_path = scheme in DATASETS and DATASETS[scheme].takes_path
    return f"{scheme}:{absolute(path, folder)}" if takes_path and path else data


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
                rule = "is no option: the images and the trial's seed decide it"
                yield Problem(f"task.model.{name}", model.settings[name], rule, "leave it out, or give it another name")
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
