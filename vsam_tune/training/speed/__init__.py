"""How fast a trial trains, alone and relative to SAM on the same worker."""
