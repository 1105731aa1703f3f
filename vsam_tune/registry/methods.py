"""METHODS: every method by name, as data: how to build it, its settings, its costs. No torch here."""

from dataclasses import dataclass, field

from vsam_tune.registry.hyperparameter import Hyperparameter, Value


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """One method.

    Attributes:
        optimizer: `module:class` of a wrapper around a base optimizer; empty for the base optimizer alone.
        loss_term: `module:class` of a term that is added to the mean loss; empty for none.
        gradient_evaluations: forward and backward passes per iteration at the default settings.
        forward_passes: forward passes without a backward pass per iteration at the default settings.
        cost: gradient evaluations per iteration as a formula; f is the sampled fraction.
        memory: its state in addition to the base optimizer's, in copies of the weights unless another unit is given.
        source: paper, equation or section.
        choices: decisions of this project where sources disagree or are silent; empty if there are none.
        hyperparameters: by name, in the order of the tables.
        fixed: settings that make a preset of a more general method; a study can neither set nor search them.
        epochs: length of its training, as a multiple of the task's epochs.
        synchronises: whether the host reads a value of the device in each iteration.
    """

    optimizer: str = ""
    loss_term: str = ""
    gradient_evaluations: float
    forward_passes: float = 0.0
    cost: str
    memory: str
    source: str
    choices: str = ""
    hyperparameters: dict[str, Hyperparameter] = field(default_factory=dict)
    fixed: dict[str, Value] = field(default_factory=dict)
    epochs: float = 1.0
    synchronises: bool = False


_RHO = Hyperparameter(
    default=0.05,
    low=0.0,
    meaning="l2 radius of the perturbation, over all perturbed parameters",
    source="Foret et al. 2021, ResNet-18 on CIFAR-10",
)
_PERIOD = Hyperparameter(
    default=5, low=1, meaning="iterations from one SAM iteration to the next", source="VSAM table 3, SAM-5"
)
_OFFSET = Hyperparameter(default=0, low=0, meaning="number of the first SAM iteration")
_AUTHORS = "the authors' program"
_VSAM = {
    "rho": _RHO,
    "beta": Hyperparameter(
        default=0.13,
        low=0.0,
        meaning="how strongly the change rates move the expected number of samples",
        source="table 1: 0.05 to 0.2",
    ),
    "kappa": Hyperparameter(
        default=0.7, low=0.0, high=1.0, meaning="damping of the reused PSF an iteration", source="table 2: 0.6 to 0.9"
    ),
    "num_slices": Hyperparameter(default=5, low=1, meaning="slices of the sorted window (eq. 8)", source=_AUTHORS),
    "warmup_iterations": Hyperparameter(
        default=1173,
        low=0,
        meaning="the first iterations, all of them SAM's; the authors' 3 epochs of CIFAR are 1.5 % of their run",
        source=_AUTHORS,
        iterations=True,
        fraction=0.015,
    ),
    "interval": Hyperparameter(
        default=50,
        low=2,
        meaning="iterations between two adaptations, and samples remembered; at least 2 * num_slices",
        source=_AUTHORS,
        iterations=True,
    ),
    "max_rate": Hyperparameter(
        default=0.8,
        low=0.0,
        high=1.0,
        positive=True,
        meaning="largest part of an interval that is sampled",
        source=_AUTHORS,
    ),
    "max_age": Hyperparameter(
        default=6, low=0, meaning="iterations after a sample that reuse its PSF", source=_AUTHORS
    ),
    "norm_tensors": Hyperparameter(
        default=10,
        low=0,
        meaning="how many of the last parameter tensors the norms are taken over; 0 for all",
        source=_AUTHORS,
    ),
    "reuse": Hyperparameter(
        default="geometric",
        choices=("geometric", "none"),
        meaning="weight of the reused PSF: kappa ** age, or no reuse",
        source=_AUTHORS,
    ),
    "change": Hyperparameter(
        default="relative",
        choices=("relative", "log"),
        meaning="form of the change rates of eq. 9 and 12; log has no drift on stationary noise",
        source="eq. 9, eq. 12; log is a choice",
    ),
}
_ALPHA = Hyperparameter(
    default=0.7,
    low=0.0,
    meaning="length of the reused direction, as a multiple of the gradient's norm",
    source="LookSAM's paper, as quoted by others",
)
_DECAY = Hyperparameter(
    default=0.9,
    low=0.0,
    high=1.0,
    meaning="decay of the averages of the squared norm",
    source="from memory, not checked",
)
_WEIGHT = "factor of the divergence in the loss"
_TEMPERATURE = Hyperparameter(
    default=5.0, positive=True, meaning="divisor of the logits before the softmax", source="AngusDujw/SAF"
)
_START_EPOCH = Hyperparameter(
    default=5, low=-1, meaning="last epoch, counted from 0, without the term", source="AngusDujw/SAF"
)
_SQUARED = Hyperparameter(
    default=True,
    meaning="multiply the term by temperature squared, as in the authors' code but not in their paper",
    source="AngusDujw/SAF",
)


def _threshold(name: str, default: float) -> Hyperparameter:
    return Hyperparameter(
        default=default,
        meaning=f"threshold of a SAM iteration at the {name} of training, in standard deviations above the mean",
        source="from memory, not checked",
    )


_PAPER = "vSAM, arXiv 2403.08821"
_VSAM_MEMORY = "1 kept (the PSF), 1 while perturbed"
_PERTURBED = "1 while perturbed"
_TWO_FIRST = "1 while perturbed, 1 more before the forward pass"
_COMPARED = "norm of the plain gradient over all parameters, without weight decay"

METHODS: dict[str, Method] = {
    "sgd": Method(
        gradient_evaluations=1.0,
        cost="1",
        memory="0",
        source="the base optimizer alone",
    ),
    "sgd_long": Method(
        gradient_evaluations=1.0,
        cost="1, over twice the epochs",
        memory="0",
        source="the base optimizer alone, for as long as SAM trains",
        choices="twice the task's epochs, with one cosine over all of them",
        epochs=2.0,
    ),
    "sam": Method(
        optimizer="vsam_tune.optimizers.sam:SAM",
        gradient_evaluations=2.0,
        cost="2",
        memory=_PERTURBED,
        source="SAM, Foret et al. 2021, arXiv 2010.01412, eq. 2 and algorithm 1",
        choices="no weight decay in the perturbation, as in davda54/sam (google-research/sam includes it); batch norm"
        " takes its statistics from the first pass",
        hyperparameters={"rho": _RHO},
    ),
    "periodic_sam": Method(
        optimizer="vsam_tune.optimizers.periodic_sam:PeriodicSAM",
        gradient_evaluations=1.2,
        cost="1 + 1/period",
        memory=_PERTURBED,
        source=f"SAM-k of {_PAPER}, table 3",
        choices="the count does not restart with an epoch; offset 0",
        hyperparameters={"rho": _RHO, "period": _PERIOD, "offset": _OFFSET},
    ),
    "sam_5": Method(
        optimizer="vsam_tune.optimizers.periodic_sam:PeriodicSAM",
        gradient_evaluations=1.2,
        cost="1.2",
        memory=_PERTURBED,
        source=f"SAM-5 of {_PAPER}, table 3",
        hyperparameters={"rho": _RHO},
        fixed={"period": 5},
    ),
    "sam_10": Method(
        optimizer="vsam_tune.optimizers.periodic_sam:PeriodicSAM",
        gradient_evaluations=1.1,
        cost="1.1",
        memory=_PERTURBED,
        source=f"SAM-10 of {_PAPER}, table 3",
        hyperparameters={"rho": _RHO},
        fixed={"period": 10},
    ),
    "looksam": Method(
        optimizer="vsam_tune.optimizers.looksam:LookSAM",
        gradient_evaluations=1.2,
        cost="1 + 1/period",
        memory="1 kept (the direction), 1 while perturbed",
        source="LookSAM, Liu et al. 2022, arXiv 2203.02714",
        choices="one norm and one inner product over all parameters; no direction if only rounding errors remain",
        hyperparameters={"rho": _RHO, "period": _PERIOD, "alpha": _ALPHA},
    ),
    "esam": Method(
        optimizer="vsam_tune.optimizers.esam:ESAM",
        gradient_evaluations=1.5,
        forward_passes=1.0,
        cost="2/3 + swp_keep/3 + sds_keep, and a forward pass if sds_keep < 1",
        memory=_PERTURBED,
        source="ESAM, Du et al. 2022, arXiv 2110.03141: SWP and SDS",
        choices="the mask covers whole tensors and the radius is rho / swp_keep, as in dydjw9/Efficient_SAM; the lower"
        " index wins a tie; no forward pass if all samples are selected; batch norm takes its statistics from the first"
        " pass",
        hyperparameters={
            "rho": _RHO,
            "swp_keep": Hyperparameter(
                default=0.6,
                high=1.0,
                positive=True,
                meaning="probability that a tensor is perturbed; 1 switches SWP off",
                source="ESAM's run.sh, ResNet-18",
            ),
            "sds_keep": Hyperparameter(
                default=0.5,
                high=1.0,
                positive=True,
                meaning="part of the batch in the second gradient; 1 switches SDS off",
                source="ESAM's run.sh, ResNet-18",
            ),
        },
    ),
    "saf": Method(
        loss_term="vsam_tune.loss_terms.saf:SAF",
        gradient_evaluations=1.0,
        cost="1",
        memory="4 * images * (classes + 1) * lag_epochs bytes (the outputs)",
        source="SAF, Du et al. 2022, arXiv 2205.14083",
        choices="factor temperature squared, as in AngusDujw/SAF; an image without an output from lag_epochs ago adds 0"
        " (AngusDujw/SAF pulls it to the uniform distribution); the term stays until the end",
        hyperparameters={
            "weight": Hyperparameter(default=0.3, low=0.0, meaning=_WEIGHT, source="AngusDujw/SAF, README"),
            "temperature": _TEMPERATURE,
            "lag_epochs": Hyperparameter(
                default=3, low=1, meaning="age of the outputs in the comparison, in epochs", source="AngusDujw/SAF"
            ),
            "start_epoch": _START_EPOCH,
            "temperature_squared": _SQUARED,
            "store": Hyperparameter(
                default="device", choices=("device", "host"), meaning="memory that holds the outputs"
            ),
        },
    ),
    "mesa": Method(
        loss_term="vsam_tune.loss_terms.mesa:MESA",
        gradient_evaluations=1.0,
        forward_passes=1.0,
        cost="1, and a forward pass after start_epoch",
        memory="1 kept (the averaged model)",
        source="MESA, Du et al. 2022, arXiv 2205.14083",
        choices="factor temperature squared, as in AngusDujw/SAF; ema_decay 0.9995, where AngusDujw/SAF keeps timm's"
        " 0.9998; the test uses the trained weights, not the averaged ones",
        hyperparameters={
            "weight": Hyperparameter(default=0.8, low=0.0, meaning=_WEIGHT, source="AngusDujw/SAF, README"),
            "temperature": _TEMPERATURE,
            "ema_decay": Hyperparameter(
                default=0.9995,
                low=0.0,
                high=1.0,
                meaning="decay of the averaged model per iteration",
                source="from memory",
            ),
            "start_epoch": _START_EPOCH,
            "temperature_squared": _SQUARED,
        },
    ),
    "ae_sam": Method(
        optimizer="vsam_tune.optimizers.ae_sam:AESAM",
        gradient_evaluations=1.5,
        cost="1 + f",
        memory=_PERTURBED,
        source="AE-SAM, Jiang et al. 2023, arXiv 2304.14647",
        choices=f"{_COMPARED}; the mean starts at the first squared norm",
        hyperparameters={
            "rho": _RHO,
            "decay": _DECAY,
            "threshold_start": _threshold("start", 1.0),
            "threshold_end": _threshold("end", -1.0),
        },
        synchronises=True,
    ),
    "ae_looksam": Method(
        optimizer="vsam_tune.optimizers.ae_looksam:AELookSAM",
        gradient_evaluations=1.2,
        cost="1 + f",
        memory="1 kept (the direction), 1 while perturbed",
        source="AE-LookSAM, Jiang et al. 2023, arXiv 2304.14647",
        choices=f"{_COMPARED}; the mean starts at the first squared norm",
        hyperparameters={
            "rho": _RHO,
            "alpha": _ALPHA,
            "decay": _DECAY,
            "threshold_start": _threshold("start", 2.0),
            "threshold_end": _threshold("end", 0.0),
        },
        synchronises=True,
    ),
    "vsam": Method(
        optimizer="vsam_tune.optimizers.vsam:VSAM",
        gradient_evaluations=1.3,  # table 3, ResNet-18 on CIFAR-10: 23,579 of 78,200 iterations are sampled
        cost="1 + f",
        memory=_VSAM_MEMORY,
        source=f"{_PAPER}, eq. 8 to 17, in the form of the authors' program, github.com/ajiaaa/vSAM",
        choices="cases that the program does not handle; docs/vsam.md lists them",
        hyperparameters=_VSAM,
    ),
    "vsam_a": Method(
        optimizer="vsam_tune.optimizers.vsam:VSAM",
        gradient_evaluations=1.3,  # table 3, ResNet-18 on CIFAR-10: 23,579 of 78,200 iterations are sampled
        cost="1 + f",
        memory=_PERTURBED,
        source=f"vSAM-A of {_PAPER}: adaptive sampling without reuse",
        hyperparameters={name: _VSAM[name] for name in _VSAM if name not in ("kappa", "max_age", "reuse")},
        fixed={"reuse": "none"},
    ),
    "msam": Method(
        optimizer="vsam_tune.optimizers.msam:MSAM",
        gradient_evaluations=1.0,
        cost="1",
        memory=_TWO_FIRST,
        source="Momentum-SAM, Becker et al. 2024, arXiv 2401.12033",
        choices="weight decay uses the unperturbed weights, which are restored after each step",
        hyperparameters={
            "rho": Hyperparameter(
                default=3.0,
                low=0.0,
                meaning="length of the step against the momentum buffer before the gradient evaluation",
                source="MarlonBecker/MSAM, CIFAR-100",
            )
        },
    ),
    "rst": Method(
        optimizer="vsam_tune.optimizers.rst:RST",
        gradient_evaluations=1.5,
        cost="1 + f",
        memory=_PERTURBED,
        source="RST, randomized sharpness-aware training, Zhao et al. 2022, arXiv 2203.09962",
        choices="linear rises from 0 to the probability at the end of training",
        hyperparameters={
            "rho": _RHO,
            "probability": Hyperparameter(
                default=0.5,
                low=0.0,
                high=1.0,
                meaning="probability of a SAM iteration; the control for an adaptive rate",
            ),
            "schedule": Hyperparameter(
                default="constant", choices=("constant", "linear"), meaning="course of the probability over training"
            ),
        },
    ),
    "sam_on": Method(
        optimizer="vsam_tune.optimizers.sam_on:SAMON",
        gradient_evaluations=2.0,
        cost="2, less the weights' part of the first backward pass",
        memory="1 of the normalisation parameters while perturbed",
        source="SAM-ON, Mueller et al. 2023, arXiv 2306.04226",
        choices="the norm covers only the perturbed parameters; SAM if a model has no normalisation",
        hyperparameters={"rho": _RHO},
    ),
    "fsam": Method(
        optimizer="vsam_tune.optimizers.fsam:FSAM",
        gradient_evaluations=2.0,
        cost="2",
        memory="1 kept (the average gradient), 2 while perturbed",
        source="Friendly SAM, Li et al. 2024, arXiv 2403.12350",
        choices="the raw gradient updates the average after the average was used; the first iteration is one of SAM",
        hyperparameters={
            "rho": _RHO,
            "sigma": Hyperparameter(
                default=1.0,
                low=0.0,
                meaning="share of the average gradient that is removed from the perturbation",
                source="nblt/F-SAM",
            ),
            "decay": Hyperparameter(
                default=0.9, low=0.0, high=1.0, meaning="decay of the average gradient", source="nblt/F-SAM"
            ),
        },
    ),
    "asam": Method(
        optimizer="vsam_tune.optimizers.asam:ASAM",
        gradient_evaluations=2.0,
        cost="2",
        memory=_TWO_FIRST,
        source="Adaptive SAM, Kwon et al. 2021, arXiv 2102.11600",
        choices="tensors of two or more dimensions are scaled by |w| + eta, the others by 1 (SamsungLabs/ASAM scales"
        " the tensors named weight; adaptive in davda54/sam scales all, with eta 0)",
        hyperparameters={
            "rho": Hyperparameter(
                default=0.5,
                low=0.0,
                meaning="l2 radius of the perturbation, in units of the scaled weights",
                source="ASAM, CIFAR-10",
            ),
            "eta": Hyperparameter(
                default=0.01, low=0.0, meaning="addend to the absolute weights", source="SamsungLabs/ASAM"
            ),
        },
    ),
    "gsam": Method(
        optimizer="vsam_tune.optimizers.gsam:GSAM",
        gradient_evaluations=2.0,
        cost="2",
        memory="2 while perturbed",
        source="GSAM, Zhuang et al. 2022, arXiv 2203.08065",
        choices="the largest learning rate is the one at the start of its schedule, the smallest is 0",
        hyperparameters={
            "rho": _RHO,
            "rho_min": Hyperparameter(
                default=0.0, low=0.0, meaning="radius at learning rate 0; rho is the radius at the start"
            ),
            "alpha": Hyperparameter(
                default=0.4,
                low=0.0,
                meaning="subtracted share of the first gradient's part orthogonal to the second",
                source="juntang-zhuang/GSAM",
            ),
        },
    ),
}
