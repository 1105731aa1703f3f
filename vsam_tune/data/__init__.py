"""Data sets by name, their split, their label noise, and the loader that keeps them on the device."""
