"""Sub-seeds: every consumer of randomness has its own generator, all derived from one integer."""

import zlib

import numpy as np


def derive_seed(seed: int, *purpose: str | int) -> int:
    """Return the sub-seed of `seed` for one purpose.

    Args:
        seed: the integer that fixes a trial or a study, >= 0.
        purpose: words and numbers that name the consumer, such as ("order",) or ("trial", 17).

    Returns:
        An integer in [0, 2**63). Equal arguments give the same one on every machine, different arguments give
        independent ones (NumPy's `SeedSequence`).
    """
    words = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in purpose]
    return int(np.random.SeedSequence([seed, *words]).generate_state(1, np.uint64)[0] >> np.uint64(1))
