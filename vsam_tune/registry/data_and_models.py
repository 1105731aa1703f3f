"""DATASETS and MODELS: the data sets and networks that a task can name, as data. No torch here."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """A data set by name, or a scheme such as `npz:PATH`.

    Attributes:
        reader: `module:function`; see `vsam_tune.data.load`.
        validation_fraction: default of the part of the training set that is held out; a choice of this project.
        takes_path: whether a path follows the name after a colon.
        downloads: whether `--download` can fetch it.
        source: its origin.
    """

    reader: str
    validation_fraction: float
    takes_path: bool = False
    downloads: bool = False
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """A network by name.

    Attributes:
        builder: `module:function`, called with (in_channels, image_size, num_classes, **options).
        options: the options that a study may set, with their defaults; all are integers >= 1.
        source: paper and library.
        channels: of the images that it is designed for; `vsam-tune models` counts its parameters for them.
        image_size: of these images, in pixels.
    """

    builder: str
    options: dict[str, int]
    source: str
    channels: int = 3
    image_size: int = 32


DATASETS: dict[str, Dataset] = {
    "digits": Dataset(
        reader="vsam_tune.data.digits:read",
        validation_fraction=0.24,
        source="UCI optical digits, in scikit-learn: 1,797 grey images of 8x8, 10 classes, 349 for test",
    ),
    "cifar10": Dataset(
        reader="vsam_tune.data.torchvision_sets:read",
        validation_fraction=0.1,
        downloads=True,
        source="CIFAR-10, torchvision: 50,000 + 10,000 images of 32x32, 3 channels, 10 classes",
    ),
    "cifar100": Dataset(
        reader="vsam_tune.data.torchvision_sets:read",
        validation_fraction=0.1,
        downloads=True,
        source="CIFAR-100, torchvision: 50,000 + 10,000 images of 32x32, 3 channels, 100 classes",
    ),
    "fashion_mnist": Dataset(
        reader="vsam_tune.data.torchvision_sets:read",
        validation_fraction=0.1,
        downloads=True,
        source="Fashion-MNIST, torchvision: 60,000 + 10,000 images of 28x28, 1 channel, 10 classes",
    ),
    "random_cifar10": Dataset(
        reader="vsam_tune.data.random_images:read",
        validation_fraction=0.1,
        source="noise in the shape of CIFAR-10, for `check --data random_cifar10` and benchmarks",
    ),
    "random_cifar100": Dataset(
        reader="vsam_tune.data.random_images:read",
        validation_fraction=0.1,
        source="noise in the shape of CIFAR-100, for `check --data random_cifar100` and benchmarks",
    ),
    "npz": Dataset(
        reader="vsam_tune.data.npz:read",
        validation_fraction=0.2,
        takes_path=True,
        source="a NumPy archive with x_train, y_train, x_test, y_test, as Keras ships them",
    ),
    "folder": Dataset(
        reader="vsam_tune.data.folder:read",
        validation_fraction=0.2,
        takes_path=True,
        source="PATH/train/CLASS/* and PATH/test/CLASS/*, torchvision's ImageFolder",
    ),
}

CUSTOM_DATASET = Dataset(
    reader="vsam_tune.data.custom_reader:read",
    validation_fraction=0.2,
    downloads=True,
    source="`module:function`, a custom reader",
)

MODELS: dict[str, Model] = {
    "cnn": Model(
        builder="vsam_tune.models.cnn:cnn",
        options={"width": 32},
        channels=1,
        image_size=8,
        source="this project: three 3x3 convolutions with batch norm, for 8x8 and 28x28 images on a CPU",
    ),
    "resnet8": Model(
        builder="vsam_tune.models.resnet:resnet8",
        options={"width": 16},
        source="He et al. 2016, section 4.2 with n = 1; pytorchcv",
    ),
    "resnet20": Model(
        builder="vsam_tune.models.resnet:resnet20",
        options={"width": 16},
        source="He et al. 2016, section 4.2 with n = 3; pytorchcv",
    ),
    "resnet18": Model(
        builder="vsam_tune.models.resnet:resnet18",
        options={},
        source="He et al. 2016; torchvision with the CIFAR stem (3x3, stride 1, no pooling)",
    ),
    "resnet18_imagenet_stem": Model(
        builder="vsam_tune.models.resnet:resnet18_imagenet_stem",
        options={},
        source="He et al. 2016; torchvision as it is (7x7, stride 2, max pooling)",
    ),
    "wrn": Model(
        builder="vsam_tune.models.wide_resnet:wrn",
        options={"depth": 16, "width_factor": 2},
        source="Zagoruyko and Komodakis 2016, without dropout; pytorchcv with ESAM's initialisation",
    ),
    "wrn28_10": Model(
        builder="vsam_tune.models.wide_resnet:wrn28_10",
        options={},
        source="Zagoruyko and Komodakis 2016; as wrn, with depth 28 and width factor 10",
    ),
    "wrn34_10": Model(
        builder="vsam_tune.models.wide_resnet:wrn34_10",
        options={},
        source="davda54/sam, and vSAM's authors as WRN-28-10; as wrn, with depth 34 and width factor 10",
    ),
    "pyramidnet": Model(
        builder="vsam_tune.models.pyramidnet:pyramidnet",
        options={"depth": 20, "alpha": 48},
        source="Han et al. 2017, additive, basic blocks; pytorchcv with ESAM's initialisation",
    ),
    "pyramidnet110": Model(
        builder="vsam_tune.models.pyramidnet:pyramidnet110",
        options={},
        source="Han et al. 2017; as pyramidnet, with depth 110 and alpha 270, as ESAM trains it",
    ),
    "mobilenet_v1": Model(
        builder="vsam_tune.models.mobilenet:mobilenet_v1",
        options={"width_percent": 100},
        source="Howard et al. 2017; pytorchcv with the CIFAR stem (stride 1)",
    ),
    "mobilenet_v1_imagenet_stem": Model(
        builder="vsam_tune.models.mobilenet:mobilenet_v1_imagenet_stem",
        options={"width_percent": 100},
        source="Howard et al. 2017; pytorchcv (stride 2)",
    ),
    "mobilenet_v1_relu6": Model(
        builder="vsam_tune.models.mobilenet:mobilenet_v1_relu6",
        options={"width_percent": 100},
        source="vSAM's authors; pytorchcv's V1 with ReLU6 and a last block of stride 2 (stem of stride 2)",
    ),
    "mobilenet_v2": Model(
        builder="vsam_tune.models.mobilenet:mobilenet_v2",
        options={"width_percent": 100},
        source="Sandler et al. 2018; torchvision as it is (stride 2, dropout 0.2)",
    ),
}
