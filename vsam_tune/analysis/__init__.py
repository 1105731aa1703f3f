"""From trials to statements about them: fronts, ranks, estimates, comparisons. No input or output."""
