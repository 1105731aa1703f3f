"""What happens inside a trial: the loop, the AIS meter, the trajectory, checkpoints. No Ray, Optuna or MLflow."""
