"""vsam-tune: what accuracy costs in speed, for people who train with sharpness-aware optimizers."""

from vsam_tune.import_path import find_our_packages_first

find_our_packages_first()

__version__ = "0.1.0"
