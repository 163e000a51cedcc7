"""What is encoded, split, checked or served needs no Keras; importing is quiet."""

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
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


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
        "import keras; print(keras.backend.backend())"
    )
    done = run(code)
    assert (done.stdout, done.stderr) == (f"{backend}\n", "said\n")


def test_nothing_is_left_open_and_only_errors_of_tensorflow_are_told():
    code = (
        "import keras, logging, os\n"
        "from helpers import quiet\n"
        "def lowest():\n"
        "    new = os.dup(2); os.close(new); return new\n"
        "before = lowest(); quiet.import_keras(); after = lowest()\n"
        "print(after - before, logging.getLogger('tensorflow').level)\n"
        "print(os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    )
    assert run(code).stdout == "0 40\n3\n"
