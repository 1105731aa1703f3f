"""BASE_OPTIMIZERS: the optimizers of torch that a method wraps, as data. No torch here."""

from dataclasses import dataclass

from vsam_tune.registry.hyperparameter import Hyperparameter


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseOptimizer:
    """An optimizer of torch that a method wraps.

    Attributes:
        optimizer: its `module:class`.
        settings: those that a study may set, by their keywords in torch.
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
            "momentum": Hyperparameter(
                default=0.9, low=0.0, high=1.0, meaning="momentum of the update", source="ESAM's run.sh"
            ),
            "weight_decay": Hyperparameter(
                default=0.001,
                low=0.0,
                meaning="factor of the weights in the gradient",
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
                default=0.0, low=0.0, meaning="factor of the weights in the gradient", source="torch"
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
                meaning="factor of the weights in the step, decoupled from the gradient",
                source="torch",
            ),
        },
    ),
}
