"""METHODS: every method by name, as data: how to build it, what it takes, what it costs. No torch here."""

from dataclasses import dataclass, field

Value = float | int | str | bool  # of one hyper-parameter


@dataclass(frozen=True, kw_only=True, slots=True)
class Hyperparameter:
    """One setting of a method.

    Attributes:
        default: its value where nothing is said, as in the signature of the optimizer (a contract test).
        meaning: what it does, with its unit.
        low: smallest value allowed, itself included; None for no bound.
        high: largest value allowed, itself included; None for no bound.
        positive: refuses 0 as well, for a real number without a smallest value.
        choices: the values allowed for a word.
        source: where the default comes from; "choice" where the paper leaves it open.
    """

    default: Value
    meaning: str
    low: float | None = None
    high: float | None = None
    positive: bool = False
    choices: tuple[str, ...] = ()
    source: str = "choice"


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """One method.

    Attributes:
        optimizer: `module:class` of a wrapper around a base optimizer; empty for the base optimizer alone.
        gradient_evaluations: forward-backward passes an iteration at the default settings.
        cost: the same as a formula; f is the sampled fraction.
        memory: what it keeps beside the base optimizer, in copies of the weights.
        source: paper, equation or section.
        hyperparameters: by name, in the order in which they are shown.
        seeded: whether the optimizer draws random numbers, and so takes `seed`.
        fixed: settings that make a preset of a more general method; they cannot be set or searched.
    """

    optimizer: str
    gradient_evaluations: float
    cost: str
    memory: str
    source: str
    hyperparameters: dict[str, Hyperparameter] = field(default_factory=dict)
    seeded: bool = False
    fixed: dict[str, Value] = field(default_factory=dict)


_RHO = Hyperparameter(
    default=0.05,
    low=0.0,
    meaning="l2 radius of the perturbation, over all perturbed parameters",
    source="Foret et al. 2021, ResNet-18 on CIFAR-10",
)
_PERIOD = Hyperparameter(
    default=5, low=1, meaning="iterations from one SAM iteration to the next", source="VSAM table 3, SAM-5"
)
_OFFSET = Hyperparameter(default=0, low=0, meaning="the first SAM iteration")
_VSAM = {
    "rho": _RHO,
    "beta": Hyperparameter(
        default=0.13,
        low=0.0,
        meaning="how strongly the change rates move the sampling rate",
        source="table 1: 0.05 to 0.2",
    ),
    "kappa": Hyperparameter(
        default=0.8, low=0.0, high=1.0, meaning="damping of the reused PSF", source="table 2: 0.6 to 0.9"
    ),
    "num_slices": Hyperparameter(default=4, low=1, meaning="slices of the sorted window (eq. 8)"),
    "warmup_iterations": Hyperparameter(
        default=782, low=0, meaning="iterations before the rate adapts; 782 is 2 epochs of CIFAR at batch 128"
    ),
    "window": Hyperparameter(default=40, low=2, meaning="sampled iterations remembered; at least 2 * num_slices"),
    "interval": Hyperparameter(default=100, low=1, meaning="iterations between two adaptations of the rate"),
    "initial_rate": Hyperparameter(default=0.1, low=0.0, high=1.0, meaning="sampling rate until the warm-up ends"),
    "max_rate": Hyperparameter(
        default=0.5,
        low=0.0,
        high=1.0,
        positive=True,
        meaning="largest sampling rate",
        source="choice: table 1's largest fraction is 0.502",
    ),
    "norm_layers": Hyperparameter(
        default=1,
        low=0,
        meaning="how many of the last layers the norms are taken over; 0 for all",
        source='choice: "the last few layers"',
    ),
    "reuse": Hyperparameter(
        default="geometric",
        choices=("geometric", "constant", "none"),
        meaning="weight of the reused PSF: kappa ** age, kappa, or no reuse",
        source="eq. 17; geometric is a choice",
    ),
    "change": Hyperparameter(
        default="relative",
        choices=("relative", "log"),
        meaning="form of the change rates of eq. 9 and 12; log has no drift on stationary noise",
        source="eq. 9, eq. 12; log is a choice",
    ),
}
_PAPER = "vSAM, arXiv 2403.08821"
_VSAM_MEMORY = "1 kept (the PSF), 1 while perturbed"

METHODS: dict[str, Method] = {
    "sgd": Method(
        optimizer="",
        gradient_evaluations=1.0,
        cost="1",
        memory="0",
        source="the base optimizer alone",
    ),
    "sam": Method(
        optimizer="vsam_tune.optimizers.sam:SAM",
        gradient_evaluations=2.0,
        cost="2",
        memory="1 while perturbed",
        source="SAM, Foret et al. 2021, arXiv 2010.01412, eq. 2 and algorithm 1",
        hyperparameters={"rho": _RHO},
    ),
    "periodic_sam": Method(
        optimizer="vsam_tune.optimizers.periodic_sam:PeriodicSAM",
        gradient_evaluations=1.2,
        cost="1 + 1/period",
        memory="1 while perturbed",
        source=f"SAM-k of {_PAPER}, table 3",
        hyperparameters={"rho": _RHO, "period": _PERIOD, "offset": _OFFSET},
    ),
    "sam_5": Method(
        optimizer="vsam_tune.optimizers.periodic_sam:PeriodicSAM",
        gradient_evaluations=1.2,
        cost="1.2",
        memory="1 while perturbed",
        source=f"SAM-5 of {_PAPER}, table 3",
        hyperparameters={"rho": _RHO},
        fixed={"period": 5},
    ),
    "sam_10": Method(
        optimizer="vsam_tune.optimizers.periodic_sam:PeriodicSAM",
        gradient_evaluations=1.1,
        cost="1.1",
        memory="1 while perturbed",
        source=f"SAM-10 of {_PAPER}, table 3",
        hyperparameters={"rho": _RHO},
        fixed={"period": 10},
    ),
    "vsam": Method(
        optimizer="vsam_tune.optimizers.vsam:VSAM",
        gradient_evaluations=1.1,
        cost="1 + f",
        memory=_VSAM_MEMORY,
        source=f"{_PAPER}, eq. 8 to 17",
        hyperparameters=_VSAM,
        seeded=True,
    ),
    "vsam_a": Method(
        optimizer="vsam_tune.optimizers.vsam:VSAM",
        gradient_evaluations=1.1,
        cost="1 + f",
        memory="1 while perturbed",
        source=f"vSAM-A of {_PAPER}: adaptive sampling without reuse",
        hyperparameters={name: _VSAM[name] for name in _VSAM if name not in ("kappa", "reuse")},
        seeded=True,
        fixed={"reuse": "none"},
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseOptimizer:
    """An optimizer of torch that a method wraps.

    Attributes:
        optimizer: its `module:class`.
        settings: what a study may set, by its keyword in torch.
    """

    optimizer: str
    settings: dict[str, Hyperparameter]


_ADAM_LR = Hyperparameter(
    default=0.001, positive=True, meaning="learning rate, the start of the cosine", source="torch"
)

BASE_OPTIMIZERS: dict[str, BaseOptimizer] = {
    "sgd": BaseOptimizer(
        optimizer="torch.optim:SGD",
        settings={
            "lr": Hyperparameter(
                default=0.05,
                positive=True,
                meaning="learning rate, the start of the cosine",
                source="ESAM's run.sh, ResNet-18",
            ),
            "momentum": Hyperparameter(default=0.9, low=0.0, high=1.0, meaning="of the update", source="ESAM's run.sh"),
            "weight_decay": Hyperparameter(
                default=0.001,
                low=0.0,
                meaning="times the weights, in the gradient",
                source="ESAM's run.sh, ResNet-18",
            ),
            "nesterov": Hyperparameter(
                default=False, meaning="look-ahead form of the momentum", source="ESAM's run.sh"
            ),
        },
    ),
    "adam": BaseOptimizer(
        optimizer="torch.optim:Adam",
        settings={
            "lr": _ADAM_LR,
            "weight_decay": Hyperparameter(
                default=0.0, low=0.0, meaning="times the weights, in the gradient", source="torch"
            ),
        },
    ),
    "adamw": BaseOptimizer(
        optimizer="torch.optim:AdamW",
        settings={
            "lr": _ADAM_LR,
            "weight_decay": Hyperparameter(
                default=0.01,
                low=0.0,
                meaning="times the weights, decoupled from the gradient",
                source="torch",
            ),
        },
    ),
}
