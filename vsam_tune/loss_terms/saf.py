"""SAF, sharpness-aware training for free: Du et al. 2022, arXiv 2205.14083. A loss that changes slowly is flat.

No perturbation: a penalty keeps an image's output near that of E = `lag_epochs` epochs ago. In epochs e > `start_epoch`

    loss + weight * temperature^2 * (1/b) * sum_i KL(softmax(h_i[e - E] / temperature) || softmax(z_i / temperature))

with z_i the logits of image i in training mode, under this epoch's augmentation, and h_i[e] = z_i, recorded in every
epoch. Its gradient is (weight * temperature / b) * (p_i - q_i) for the logits of image i, p of the new ones, q of the
old ones. Code of the authors: AngusDujw/SAF, for ImageNet. Where it and the paper disagree or leave something open:

- choice: times temperature squared, as in the code and not in the paper: the published weights were used with that
  code. `temperature_squared=False` is the paper's form.
- choice: an image without an output of epoch e - E adds 0 to the sum, and the divisor stays b. The code starts from
  zeros, which pulls such an image to the uniform distribution.
- choice: the term lasts to the end of the training, and the accuracy of the trained weights is reported.

Cost: 1 gradient evaluation; a gather and a scatter of b rows, two softmaxes. Memory: see `memory_bytes`.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from vsam_tune.loss_terms.divergence import divergence, divergence_factor
from vsam_tune.loss_terms.host_memory import zeros_on_host
from vsam_tune.loss_terms.loss_term import LossTerm
from vsam_tune.optimizers.arguments import check, check_choice, check_integer

STORES = ("device", "host")


class SAF(LossTerm):
    """A penalty on the change of each output since some epochs ago, with a memory of all outputs.

    The host reads nothing from the device, wherever the memory is. The outputs of an iteration enter it after the step,
    so that a repeated iteration compares with the same outputs. For one process only: a worker that gets other images
    in each epoch would find none of their old outputs.

    Args:
        weight: times the divergence, >= 0; with 0 there is no term, and the training is the base optimizer's.
        temperature: divides the logits, positive.
        lag_epochs: age of the old outputs, >= 1.
        start_epoch: the last epoch, from 0, without the term, >= -1; there is no term in the first `lag_epochs` either.
        temperature_squared: whether the divergence is multiplied by the squared temperature.
        store: of the outputs: "device", or "host" for main memory, pinned if the device is a GPU.
        num_images: of the training set.
        num_classes: outputs of the network.
        model: the network; its first parameter gives the device and the precision of the outputs.
    """

    if_it_never_began: ClassVar[str] = "a smaller start_epoch or lag_epochs, a weight above 0, or more epochs"

    def __init__(  # noqa: PLR0913 - hyper-parameters by keyword
        self,
        *,
        weight: float = 0.3,
        temperature: float = 5.0,
        lag_epochs: int = 3,
        start_epoch: int = 5,
        temperature_squared: bool = True,
        store: str = "device",
        num_images: int,
        num_classes: int,
        model: nn.Module,
    ) -> None:
        check_integer("lag_epochs", lag_epochs, low=1)
        check_integer("start_epoch", start_epoch, low=-1)
        check_choice("store", store, STORES)
        check_integer("num_images", num_images, low=1)
        check_integer("num_classes", num_classes, low=1)
        self._factor = divergence_factor(
            weight=weight, temperature=temperature, temperature_squared=temperature_squared
        )
        self._temperature, self._lag_epochs = temperature, lag_epochs
        self._start_epoch = max(start_epoch, lag_epochs - 1)  # no output is older than the first epoch's
        zeros = zeros_on_host if store == "host" else torch.zeros
        like = next(model.parameters())
        shape, dtype = (lag_epochs, num_images, num_classes), torch.promote_types(like.dtype, torch.float32)
        # outputs of epoch e are at e modulo lag_epochs: the old ones there are read, then replaced
        self._outputs = zeros(shape, dtype=dtype, device=like.device)
        self._epochs = torch.full(shape[:2], -1, dtype=torch.int32, device=like.device)
        self._pending: list[tuple[Tensor, Tensor, int]] = []  # index, logits and epoch of this iteration's passes

    @override
    def __call__(self, logits: Tensor, x: Tensor, index: Tensor, *, epoch: int) -> Tensor | None:
        self._pending.append((index, logits.detach(), epoch))
        if self._factor == 0.0 or epoch <= self._start_epoch:
            return None
        slot = epoch % self._lag_epochs
        moved = divergence(self._outputs[slot].index_select(0, index), logits, self._temperature)
        known = self._epochs[slot].index_select(0, index) == epoch - self._lag_epochs
        return self._factor * torch.where(known, moved, 0.0).mean()

    @override
    def after_step(self) -> None:
        """Record the outputs of the iteration; the last one of an image that was passed twice."""
        for index, logits, epoch in self._pending:
            slot = epoch % self._lag_epochs
            self._outputs[slot].index_copy_(0, index, logits.to(self._outputs.dtype))
            self._epochs[slot].index_fill_(0, index, epoch)
        self._pending.clear()

    @property
    @override
    def memory_bytes(self) -> int:
        """Bytes of the outputs, num_images * num_classes * lag_epochs numbers, and of their epochs."""
        return self._outputs.nbytes + self._epochs.nbytes

    @override
    def state_dict(self) -> dict[str, Any]:
        """Return the outputs and their epochs, the live tensors, between iterations."""
        return {"outputs": self._outputs, "epochs": self._epochs}

    @override
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state; it is copied.

        Raises:
            KeyError: if a key is missing; nothing has changed then.
            ValueError: if its number of images, classes or epochs differs.
        """
        outputs, epochs = state["outputs"], state["epochs"]
        size, expected = tuple(outputs.shape), tuple(self._outputs.shape)
        check("outputs", size, f"of shape {expected}", holds=size == expected)
        self._outputs.copy_(outputs)
        self._epochs.copy_(epochs)
        self._pending.clear()
