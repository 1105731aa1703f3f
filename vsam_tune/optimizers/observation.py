"""The observation of an iteration, for the trajectory; its norms stay on the device."""

import math
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """One iteration. Unknown values are NaN.

    Norms are l2, over the last `norm_layers` layers, or over vSAM's last `norm_tensors` tensors.

    Attributes:
        sampled: whether a second gradient was taken.
        l2_psf: 0-d tensor, ||g_sam - g||; None in an iteration that was not sampled.
        l2_sgd: 0-d tensor, ||g|| of the first gradient.
        sampling_rate: p of this iteration, in [0, 1].
        expected: N, the expected number of samples an interval, as known in this iteration.
        age: iterations since the PSF that this iteration could reuse was taken; 0 in a sampled iteration.
        sigma: eq. 8 over the window, of the samples that the host has read.
        v: mean change rate of sigma (eq. 10) behind p.
        u: mean change rate of l2_psf / l2_sgd (eq. 13) behind p.
        squared_norm: ||g||^2 over all parameters, if the method compares it.
        threshold: for `squared_norm`.
    """

    sampled: bool
    l2_psf: Tensor | None
    l2_sgd: Tensor
    sampling_rate: float
    expected: float = math.nan
    age: float = math.nan
    sigma: float = math.nan
    v: float = math.nan
    u: float = math.nan
    squared_norm: float = math.nan
    threshold: float = math.nan
