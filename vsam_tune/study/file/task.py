"""`task:`, what a trial trains: its keys, and what they say together."""

from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue, field_validator

from search_spaces.schema import Strict, broken
from vsam_tune.registry.data_and_models import CUSTOM_DATASET, DATASETS, MODELS
from vsam_tune.registry.hyperparameter import Hyperparameter
from vsam_tune.registry.object_reference import is_object_path
from vsam_tune.study.file.hyperparameters import NamedSettings
from vsam_tune.study.file.method import NO_REFERENCE, check_settings, is_plain, read_named
from vsam_tune.study.file.problems import Problems, parse, suggestion
from vsam_tune.study.file.quantization import Quantization

_GIVEN_BY_THE_TRIAL = (
    "in_channels",
    "image_size",
    "num_classes",
    "seed",
)  # what a builder of one's own is given besides


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
    model: dict[str, JsonValue] = Field({"name": "cnn"}, description="write cnn, or {name: resnet8, width: 32}")
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


def read_task(value: object, folder: Path, problems: Problems, *, custom_trainable: bool) -> Task:
    """Return `task:`, its data and model filled in; what is wrong is added, and defaults in its place.

    Args:
        value: as read.
        folder: that relative paths start from.
        problems: where errors go.
        custom_trainable: whether the trainable is one's own, and so may know other data, models and options.
    """
    content = value
    if isinstance(value, dict) and isinstance(value.get("model"), str):
        content = {**value, "model": {"name": value["model"]}}
    if isinstance(content, dict) and content.get("quantization") is not None:
        bits = parse(Quantization, content["quantization"], "task.quantization", problems)
        content = {**content, "quantization": bits}
    task = parse(Task, content, "task", problems) or Task()
    if task.options and not custom_trainable:
        problems.add("task.options", None, "are for a trainable of your own", "leave them out, or name your trainable")
    if not is_plain(task.options):
        problems.add("task.options", None, "must be plain JSON", "write numbers, words, lists, mappings")
    changes: dict[str, object] = {"model": _model(task.model, problems, custom_trainable=custom_trainable)}
    scheme, _, path = task.data.partition(":")
    if scheme in DATASETS:
        changes |= _data(task, scheme, path, folder, problems)
    elif not custom_trainable:
        changes["validation_fraction"] = task.validation_fraction or CUSTOM_DATASET.validation_fraction
        _check_own_data(task.data, problems)
    for key, given in (("data_root", task.data_root), ("initial_checkpoint", task.initial_checkpoint)):
        if given is not None:
            changes[key] = absolute(given, folder)
    return task.model_copy(update=changes)


def absolute(path: str, folder: Path) -> str:
    """Return a path that a file in `folder` names, absolute."""
    return str((folder / Path(path).expanduser()).resolve())


def absolute_data(data: str, folder: Path) -> str:
    """Return a data specification with its path, if it has one, absolute."""
    scheme, _, path = data.partition(":")
    takes_path = scheme in DATASETS and DATASETS[scheme].takes_path
    return f"{scheme}:{absolute(path, folder)}" if takes_path and path else data


def _data(task: Task, scheme: str, path: str, folder: Path, problems: Problems) -> dict[str, object]:
    dataset = DATASETS[scheme]
    if dataset.takes_path and not path:
        problems.add("task.data", task.data, "needs a path after the colon", f"write {scheme}:PATH")
    if not dataset.takes_path and task.data != scheme:
        problems.add("task.data", task.data, "takes no path", f"write {scheme}")
    for key, value in (("data_root", task.data_root), ("download", task.download)):
        if value and not dataset.downloads:
            problems.add(f"task.{key}", value, f"has no effect on {scheme}", "leave it out")
    fraction = task.validation_fraction or dataset.validation_fraction
    return {"validation_fraction": fraction, "data": absolute_data(task.data, folder)}


def _check_own_data(data: str, problems: Problems) -> None:
    if is_object_path(data):
        return
    if ":" in data:
        problems.add("task.data", data, NO_REFERENCE, "write my_module:read, or npz:PATH")
    else:
        problems.add("task.data", data, "is not known", suggestion(data, DATASETS, "known data"))


def _model(model: dict[str, JsonValue], problems: Problems, *, custom_trainable: bool) -> dict[str, JsonValue]:
    named = read_named(model, "task.model", MODELS, None if custom_trainable else "cnn", problems, own=True)
    if named is None or named.name not in MODELS:
        return model if named is None or custom_trainable else _own_model(named, problems)
    options = {
        name: Hyperparameter(default=default, low=1, meaning="the default")
        for name, default in MODELS[named.name].options.items()
    }

    def unknown(name: str) -> bool:
        if not custom_trainable:
            problems.unknown(f"task.model.{name}", name, options, f"{named.name} takes")
        return custom_trainable

    defaults: dict[str, JsonValue] = {name: option.default for name, option in options.items()}
    return {
        "name": named.name,
        **defaults,
        **check_settings(named.settings, options, "task.model", problems, unknown),
    }


def _own_model(named: NamedSettings, problems: Problems) -> dict[str, JsonValue]:
    for name in _GIVEN_BY_THE_TRIAL:
        if name in named.settings:
            rule, fix = (
                "is no option: the images and the trial's seed decide it",
                "leave it out, or give it another name",
            )
            problems.add(f"task.model.{name}", named.settings[name], rule, fix)
    options = check_settings(named.settings, {}, "task.model", problems, lambda _: True)
    return {"name": named.name, **options}
