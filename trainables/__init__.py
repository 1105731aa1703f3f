"""Ray Tune class trainables around `vsam_tune.training`: the only bridge between torch and Ray."""
