"""Ray runs the trials of a study."""
