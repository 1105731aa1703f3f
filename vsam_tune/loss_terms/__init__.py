"""Methods that add a term to the mean loss and keep a state of their own, one file a method."""
