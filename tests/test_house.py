"""The rules of the house for helpers/ and for the links of the READMEs."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HELPERS = sorted((ROOT / "helpers").glob("*.py"))
READMES = [ROOT / "README.md", ROOT / "data" / "README.md"]

# A helper imports only these others. A new helper gets a line here.
ARROWS = {
    "__init__": set(),
    "best": {"fields", "splits", "targets", "training"},
    "bulk": {"parquet", "predictor", "processes", "serve", "values"},
    "checkpoints": set(),
    "checks": set(),
    "columns": {"probabilities", "values"},
    "cluster": {
        "checkpoints",
        "feeding",
        "fields",
        "models",
        "optimizers",
        "processes",
        "progress",
        "streamed",
        "targets",
        "training",
        "values",
    },
    "comparisons": set(),
    "contenders": {
        "fields",
        "predictor",
        "probabilities",
        "splits",
        "training",
        "values",
    },
    "contest": {
        "contenders",
        "fields",
        "probabilities",
        "splits",
        "targets",
        "training",
        "values",
    },
    "datasets": {"sources", "formats"},
    "explain": {
        "fields",
        "predictor",
        "shapley",
        "steps",
        "targets",
        "terms",
        "values",
    },
    "explorer": {"explain", "fields", "steps", "values"},
    "export": {"models", "serve"},
    "feeding": set(),
    "fields": {"history", "kinds", "state", "suggest", "values", "vocabulary"},
    "formats": {"sources"},
    "history": {"kinds", "values", "vocabulary"},
    "history_layers": set(),
    "kinds": {"moments", "state", "values", "vocabulary"},
    "layers": {"vocabulary"},
    "models": {"history_layers", "layers", "optimizers", "values"},
    "moments": set(),
    "optimizers": set(),
    "parquet": {"values"},
    "plots": {"history_layers"},
    "predictor": {
        "export",
        "fields",
        "models",
        "recommend",
        "serve",
        "splits",
        "targets",
        "training",
        "values",
    },
    "probabilities": set(),
    "processes": {"quiet"},
    "progress": set(),
    "quiet": set(),
    "ranking": {"values"},
    "recommend": {"fields", "models", "shares", "targets", "training", "values"},
    "repair": {"probabilities", "training"},
    "sampling": {"fields", "targets", "values"},
    "serve": {"fields", "targets", "values"},
    "service": {"fields", "kinds", "serve"},
    "shapley": set(),
    "shares": {"models", "vocabulary"},
    "sources": set(),
    "splits": {"values"},
    "state": {"values"},
    "steps": {"plots"},
    "suggest": {"columns", "kinds", "values"},
    "streamed": {"fields", "parquet", "targets"},
    "synthetic": {"fields", "targets"},
    "targets": {"moments", "state", "values"},
    "terms": {"fields", "history_layers", "models"},
    "training": {
        "feeding",
        "fields",
        "models",
        "optimizers",
        "parquet",
        "progress",
        "sampling",
        "splits",
        "streamed",
        "targets",
        "values",
    },
    "values": set(),
    "vocabulary": {"values"},
}
DOC = '"""A file."""\n\n'
helper = pytest.mark.parametrize("path", HELPERS, ids=lambda path: path.stem)


def imports(source: str) -> set[str]:
    """Dotted names that a module imports, those of helpers as helpers.name."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = ".".join(filter(None, ["helpers" * bool(node.level), node.module]))
            names = {f"{module}.{alias.name}" for alias in node.names}
            found |= names if module == "helpers" else {module}
    return found


def dead_links(text: str, folder: Path) -> list[str]:
    """Targets of local links and images that are not there."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S)
    targets = re.findall(r"\]\(<?([^)\s>]+)|(?:src|href)=\"([^\"]+)\"", text)
    targets = ["".join(pair) for pair in targets]
    local = [t for t in targets if not re.match(r"[a-z]+:|#", t)]
    return [t for t in local if not (folder / t.split("#")[0]).exists()]


@helper
def test_arrows_point_down(path):
    ours = {
        name.split(".")[1]
        for name in imports(path.read_text("utf-8"))
        if name.startswith("helpers.")
    }
    assert path.stem in ARROWS, f"helpers/{path.name} has no line in ARROWS."
    wrong = ours - ARROWS[path.stem]
    assert not wrong, f"helpers/{path.name} must not import {', '.join(sorted(wrong))}."


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.parent.name)
def test_links_of_a_readme_lead_somewhere(path):
    assert path.exists(), f"There is no {path.relative_to(ROOT)}."
    assert not dead_links(path.read_text("utf-8"), path.parent)


def test_both_ways_of_set_up_install_the_helpers():
    """make and venv read requirements.txt, and so does conda."""
    required = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    assert "-e ." in required
    assert "- -r requirements.txt" in (ROOT / "environment.yml").read_text("utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert project["tool"]["setuptools"]["packages"] == ["helpers"]


def test_the_rules_themselves_bite(tmp_path):
    source = "from . import fields\nfrom .layers import A\nimport helpers.models\n"
    assert imports(source) == {"helpers.fields", "helpers.layers", "helpers.models"}
    assert imports("from helpers import plots") == {"helpers.plots"}
    (tmp_path / "here.md").touch()
    text = '[a](here.md#x) [b](gone.md) ![c](x:y) `[d](no)` <img src="lost.svg">'
    assert dead_links(text, tmp_path) == ["gone.md", "lost.svg"]


@pytest.mark.parametrize(
    ("name", "source", "rules"),
    [
        ("helpers/a.py", "import keras as keras\n", {"D100"}),
        ("helpers/a.py", DOC + "def _():\n    import jax.numpy as jax\n", {"TID251"}),
        ("helpers/a.py", DOC + "def f(): ...\n", {"D103"}),
        ("helpers/a.py", DOC + "class A:\n    def f(self): ...\n", {"D101", "D102"}),
        ("helpers/a.py", DOC + "import torch as torch\n", {"TID251"}),
        ("helpers/a.py", DOC + "from tensorflow import math as m\n", {"TID251"}),
        ("helpers/optimizers.py", DOC + "import tensorflow as tensorflow\n", set()),
        ("tests/a.py", "import jax as jax\n\n\ndef test_a(): ...\n", set()),
    ],
)
def test_the_linter_wants_docstrings_and_no_backend_in_helpers(name, source, rules):
    command = [sys.executable, "-m", "ruff", "check", "--output-format=json"]
    command += ["--stdin-filename", ROOT / name, "-"]
    how = {"capture_output": True, "text": True, "cwd": ROOT, "timeout": 60}
    done = subprocess.run(command, input=source, **how)
    found = {problem["code"] for problem in json.loads(done.stdout)}
    assert {code for code in found if code[0] in "DT"} == rules


def test_a_package_is_required_once():
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    names = [re.match(r"[\w-]+", line)[0] for line in lines if line[:1].isalpha()]
    assert "scipy" in names
    assert len(names) == len({*names})
