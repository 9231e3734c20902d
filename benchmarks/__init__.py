"""Scripts that print and save the published tables."""

import os

# Before TensorFlow is imported, as in the command line, which says why.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
