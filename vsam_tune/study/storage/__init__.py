"""A study's folder and its Optuna database, which is the truth."""
