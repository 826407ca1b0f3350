"""Galaxy morphology."""
