"""The inside of a trial: the loop, its speed, the trajectory, checkpoints. No Ray, Optuna or MLflow."""
