"""Scripts that print and save the published tables."""

import os

# Before TensorFlow is imported: it greets with a dozen lines about the machine.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
