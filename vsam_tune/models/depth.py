"""The depths that a network of three stages of equal blocks can have."""

from vsam_tune.errors import InputError, problem


def blocks_per_stage(name: str, depth: int, *, others: int) -> int:
    """Return n, the blocks of each of three stages, where a block is two convolutions deep.

    Args:
        name: of the network, for the message.
        depth: number of layers with weights, as in the network's paper: 6 n + `others`.
        others: layers outside of blocks.

    Raises:
        InputError: no n >= 1 gives this depth.
    """
    blocks, rest = divmod(depth - others, 6)
    if rest or blocks < 1:
        nearest = 6 * max(1, round((depth - others) / 6)) + others
        rule = f"must be 6 n + {others}, three stages of n blocks of two convolutions"
        raise InputError(problem(f"model {name}", "depth", depth, rule, f"write {nearest}"))
    return blocks
