"""vsam-tune: what accuracy costs in speed, for people who train with sharpness-aware optimizers."""

__version__ = "0.1.0"
