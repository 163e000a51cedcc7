"""Keras and its backend without their start-up notes, for the outputs of a notebook."""

import logging
import os


def import_keras() -> None:
    """Import Keras and use its backend once, while nothing reaches file descriptor 2.

    TensorFlow writes to it before any of its settings is read. Call this before
    anything else imports Keras.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import keras

        keras.ops.zeros(1)  # the first use of a device has notes of its own
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)
    # Every new model makes predict() trace anew; TensorFlow warns of it as a mistake.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
