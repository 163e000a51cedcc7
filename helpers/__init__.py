"""What the notebooks of the course have built once, for the notebooks that follow."""

import os

# TensorFlow reads both at its first import: without them its start-up notes end up in
# the outputs of the notebooks.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
