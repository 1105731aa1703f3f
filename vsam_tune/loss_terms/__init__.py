"""Methods that add a term to the mean loss and keep a state of their own, one file a method. They import torch alone.

A training loop calls a term with the logits of each batch, adds what it returns to the mean loss, and calls
`after_step` when the optimizer has stepped; `LossTerm` says the rest.
"""

from vsam_tune.loss_terms.loss_term import LossTerm
from vsam_tune.loss_terms.mesa import MESA
from vsam_tune.loss_terms.saf import SAF

__all__ = ["MESA", "SAF", "LossTerm"]
