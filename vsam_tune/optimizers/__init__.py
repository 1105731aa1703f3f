"""Sharpness-aware optimizers, one file per method. They wrap any torch optimizer and need torch alone.

Example:
    >>> optimizer = VSAM(torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), rho=0.05, model=model)
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = loss_function(model(images), labels)
    ...     loss.backward()
    ...     return loss
    >>> loss = optimizer.step(closure)
"""

from vsam_tune.optimizers.ae_looksam import AELookSAM
from vsam_tune.optimizers.ae_sam import AESAM
from vsam_tune.optimizers.asam import ASAM
from vsam_tune.optimizers.esam import ESAM
from vsam_tune.optimizers.fsam import FSAM
from vsam_tune.optimizers.gsam import GSAM
from vsam_tune.optimizers.looksam import LookSAM
from vsam_tune.optimizers.msam import MSAM
from vsam_tune.optimizers.periodic_sam import PeriodicSAM
from vsam_tune.optimizers.rst import RST
from vsam_tune.optimizers.sam import SAM
from vsam_tune.optimizers.sam_on import SAMON
from vsam_tune.optimizers.vsam import VSAM

__all__ = [
    "AESAM",
    "ASAM",
    "ESAM",
    "FSAM",
    "GSAM",
    "MSAM",
    "RST",
    "SAM",
    "SAMON",
    "VSAM",
    "AELookSAM",
    "LookSAM",
    "PeriodicSAM",
]
