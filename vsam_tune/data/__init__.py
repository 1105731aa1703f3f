"""Data sets by name, their split, label noise, and the loader that keeps them on the device."""
