"""Around trials: the study file, the searcher, the trial scheduler, the storage, tracking. Never torch."""
