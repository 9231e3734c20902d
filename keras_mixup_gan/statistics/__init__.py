"""Statistics of membership scores: pure functions of arrays (NumPy and SciPy only)."""
