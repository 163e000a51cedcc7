"""What the notebooks of the course have built once, for the notebooks that follow.

Importing it imports Keras and its backend without their start-up notes, which would
otherwise stand in the outputs of the notebooks. So import it before Keras.
"""

import logging
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def _import_keras_quietly() -> None:
    """TensorFlow writes to file descriptor 2 before any of its settings is read."""
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import keras

        keras.ops.zeros(1)  # the first use of a device has notes of its own
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


_import_keras_quietly()
# Every new model makes predict() trace anew; TensorFlow warns of it as a mistake.
logging.getLogger("tensorflow").setLevel(logging.ERROR)
