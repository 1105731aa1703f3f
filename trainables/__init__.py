"""Ray Tune class trainables around `vsam_tune.training`: the only place where torch and Ray meet."""
