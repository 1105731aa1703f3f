"""Searches that are replayed on recorded learning curves: no training, no Ray."""
