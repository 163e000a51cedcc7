"""Libraries without their start-up notes, for the outputs of a notebook."""

import contextlib
import gc
import logging
import os
from collections.abc import Iterator


@contextlib.contextmanager
def no_stderr() -> Iterator[None]:
    """Nothing reaches file descriptor 2, of this process and of those it starts."""
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


@contextlib.contextmanager
def no_garbage() -> Iterator[None]:
    """For imports: the many objects that stay are never searched for garbage."""
    searched = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if searched:
            gc.enable()


def import_keras() -> None:
    """Import Keras and use its backend once, without a note.

    TensorFlow writes to file descriptor 2 before any of its settings is read. Call this
    before anything else imports Keras.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with no_stderr(), no_garbage():
        import keras

        keras.ops.zeros(1)  # the first use of a device has notes of its own
    # Every new model makes predict() trace anew; TensorFlow warns of it as a mistake.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
