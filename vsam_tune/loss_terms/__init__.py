"""Methods that add a term with a state to the mean loss, one file per method. They import torch alone.

A training loop calls a term with the logits of each batch, adds the result to the mean loss, and calls `after_step`
when the optimizer has stepped; see `LossTerm`.
"""

from vsam_tune.loss_terms.loss_term import LossTerm
from vsam_tune.loss_terms.mesa import MESA
from vsam_tune.loss_terms.saf import SAF

__all__ = ["MESA", "SAF", "LossTerm"]
