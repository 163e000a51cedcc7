"""What is encoded, split, checked or served needs no Keras; importing is quiet."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NO_KERAS = (
    "sources formats datasets splits values vocabulary moments state kinds history "
    "fields targets checks serve"
).split()
WITHOUT = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("keras", "tensorflow", "jax", "torch"):
            raise ImportError(f"{name} is not to be imported here")

sys.meta_path.insert(0, Refuse())
"""


def run(code: str) -> subprocess.CompletedProcess:
    """In a process without what JAX sets where this one has imported it."""
    command = [sys.executable, "-c", code]
    env = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    how = {"cwd": ROOT, "env": env, "capture_output": True, "text": True}
    return subprocess.run(command, **how)


def test_rooms_without_keras_import_none():
    imports = "\n".join(f"import helpers.{name}" for name in NO_KERAS)
    done = run(f"{WITHOUT}\n{imports}\nprint('fine')")
    assert done.stdout == "fine\n", done.stderr


def test_the_refusal_bites():
    assert "not to be imported" in run(f"{WITHOUT}\nimport helpers.layers").stderr


def test_helpers_alone_cost_nothing():
    code = "import sys, helpers; print({'numpy', 'pandas', 'keras'} & {*sys.modules})"
    assert run(code).stdout == "set()\n"


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_keras_is_imported_without_a_word(backend):
    code = (
        f"import os; os.environ['KERAS_BACKEND'] = '{backend}'\n"
        "from helpers import quiet; quiet.import_keras()\n"
        "import sys; print('said', file=sys.stderr)\n"
        "import keras\n"
        "print(keras.backend.backend(), os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    )
    done = run(code)
    assert (done.stdout, done.stderr) == (f"{backend} 3\n", "said\n")


@pytest.mark.parametrize("searched", [True, False])
def test_what_was_imported_is_not_searched_for_garbage(searched):
    code = (
        f"import gc; gc.enable() if {searched} else gc.disable()\n"
        "from helpers import quiet\n"
        "with quiet.no_garbage():\n"
        "    import pandas\n"
        "print(gc.isenabled(), gc.get_freeze_count() > 50_000)"
    )
    assert run(code).stdout == f"{searched} True\n"


def test_nothing_is_left_open_and_only_errors_of_tensorflow_are_told():
    code = (
        "import keras, logging, os\n"
        "from helpers import quiet\n"
        "def lowest():\n"
        "    new = os.dup(2); os.close(new); return new\n"
        "before = lowest(); quiet.import_keras(); after = lowest()\n"
        "print(after - before, logging.getLogger('tensorflow').level)"
    )
    assert run(code).stdout == "0 40\n"
