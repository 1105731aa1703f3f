"""What a study may name: methods, base optimizers, data, models, objects of the user's own code."""
