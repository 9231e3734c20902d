"""Scripts that print and save the published tables."""
