"""MLflow, where people look at trials."""
