"""Figures: pure functions of data."""
