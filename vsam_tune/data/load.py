"""The data of a task: a data set by name, its subset, split and label noise, each with its own seed."""

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from vsam_tune.data.images import Images, channel_statistics, resized
from vsam_tune.data.label_noise import noisy_labels
from vsam_tune.data.source import Request, Source
from vsam_tune.data.split import split_index, subset_index
from vsam_tune.errors import InputError, problem
from vsam_tune.registry.data_and_models import CUSTOM_DATASET, DATASETS
from vsam_tune.registry.object_reference import is_object_path


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TaskData:
    """The three parts of a task, and the statistics that normalise them.

    Attributes:
        train: training images, with label noise.
        validation: images held out of the training set, with clean labels; None for a final training.
        test: test images of the data set, with clean labels.
        num_classes: labels are 0 to num_classes - 1.
        mean: (C,) float32, of the training part, in units of uint8.
        std: (C,) float32, of the training part, in units of uint8; never 0.
        redrawn: number of training labels that the noise changed.
    """

    train: Images
    validation: Images | None
    test: Images
    num_classes: int
    mean: Tensor
    std: Tensor
    redrawn: int

    @property
    def in_channels(self) -> int:
        """Colour channels of an image."""
        return self.train.x.shape[1]

    @property
    def image_size(self) -> int:
        """Height and width of an image in pixels."""
        return self.train.x.shape[2]


def parse_spec(data: str) -> tuple[str, Path | None]:
    """Split `digits` or `npz:PATH` into the name and the path; `module:function` is a name.

    Args:
        data: key of DATASETS, with a colon and a path if the data set takes one; or a custom reader.

    Returns:
        The name and the path; None if the data set takes none.

    Raises:
        InputError: the name is unknown, a path is missing, or the data set takes no path.
    """
    name, colon, path = data.partition(":")
    if name not in DATASETS and is_object_path(data):
        return data, None
    if name not in DATASETS:
        raise InputError(problem("data", "", data, "no such data set", f"write one of {', '.join(DATASETS)}"))
    if DATASETS[name].takes_path and not path:
        raise InputError(problem("data", "", data, "the path is missing", f"write {name}:PATH"))
    if colon and not DATASETS[name].takes_path:
        raise InputError(problem("data", "", data, f"{name} takes no path", f"write {name}"))
    return name, Path(path) if path else None


def load_task(  # noqa: PLR0913 - one argument for each key of the study file's `task` section
    data: str,
    *,
    label_noise: float = 0.0,
    validation_fraction: float | None = None,
    subset: int | None = None,
    resize: int | None = None,
    seed: int = 0,
    data_root: Path | None = None,
    download: bool = False,
    final: bool = False,
) -> TaskData:
    """Read a data set and cut it into the parts of a task; a pure function of the files and the arguments.

    Args:
        data: `digits`, `cifar10`, `npz:PATH`, ...; see DATASETS. Or `module:function`, a custom reader.
        label_noise: probability that a training label is drawn anew, uniformly over all classes, in [0, 1].
        validation_fraction: part of the training set to hold out, stratified; None for the data set's default.
        subset: number of training images to keep, stratified, before the split; None for all.
        resize: height and width in pixels to shrink images to; None keeps their size.
        seed: of subset, split and noise, each through a sub-seed.
        data_root: folder of downloaded data sets; None for the user's cache.
        download: whether to fetch a missing data set.
        final: train on training and validation part together, under the same noise, and hold nothing out.

    Returns:
        The parts, in the order of the data set.

    Raises:
        InputError: the data cannot be read, or an argument does not fit them.
    """
    name, path = parse_spec(data)
    dataset = DATASETS.get(name, CUSTOM_DATASET)
    if not 0.0 <= label_noise <= 1.0:
        rule, fix = "must be a probability, in [0, 1]", "write 0 for clean labels"
        raise InputError(problem(data, "label_noise", label_noise, rule, fix))
    read: Callable[[Request], Source] = pkgutil.resolve_name(dataset.reader)
    source = read(Request(name=name, path=path, root=data_root, download=download, resize=resize))
    classes = source.num_classes
    clean = source.train
    if subset is not None:
        clean = clean.select(subset_index(data, clean.y, num_classes=classes, size=subset, seed=seed))
    clean = _squared(data, clean, resize)
    train = Images(clean.x, noisy_labels(clean.y, num_classes=classes, rate=label_noise, seed=seed))
    validation, changed = None, train.y != clean.y
    if not final:
        fraction = dataset.validation_fraction if validation_fraction is None else validation_fraction
        kept, held_out = split_index(data, clean.y, num_classes=classes, fraction=fraction, seed=seed)
        train, validation, changed = train.select(kept), clean.select(held_out), changed[kept]
    mean, std = channel_statistics(train.x)
    return TaskData(
        train=train,
        validation=validation,
        test=_squared(data, source.test, resize),
        num_classes=classes,
        mean=mean,
        std=std,
        redrawn=int(changed.sum()),
    )


def _squared(data: str, images: Images, resize: int | None) -> Images:
    """Return square images, of the requested size if there is one.

    Raises:
        InputError: the images are smaller, or are not square and no size was requested.
    """
    height, width = images.x.shape[2:]
    if resize is None:
        if height != width:
            rule = f"images are {width}x{height}, and must be square"
            raise InputError(problem(data, "", None, rule, f"set resize: {min(height, width)}"))
        return images
    if not 1 <= resize <= min(height, width):
        rule = f"must be from 1 to {min(height, width)}, the size of the images"
        raise InputError(problem(data, "resize", resize, rule, f"write {min(height, width)} or less"))
    return Images(resized(images.x, resize), images.y)
