"""The rules of the house for helpers/ and for the links of the READMEs."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HELPERS = sorted((ROOT / "helpers").glob("*.py"))
READMES = [ROOT / "README.md", ROOT / "data" / "README.md"]

# A helper imports only these others. A new helper gets a line here.
ARROWS = {
    "__init__": set(),
    "best": {"fields", "splits", "training"},
    "checks": set(),
    "datasets": {"sources", "formats"},
    "export": {"models", "serve"},
    "feeding": set(),
    "fields": {"history", "kinds", "state", "values", "vocabulary"},
    "formats": {"sources"},
    "history": {"kinds", "values", "vocabulary"},
    "history_layers": set(),
    "kinds": {"moments", "state", "values", "vocabulary"},
    "layers": {"vocabulary"},
    "models": {"history_layers", "layers", "optimizers", "values"},
    "moments": set(),
    "optimizers": set(),
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
    "progress": set(),
    "quiet": set(),
    "recommend": {"fields", "models", "targets", "training", "values"},
    "serve": {"fields", "targets", "values"},
    "sources": set(),
    "splits": {"values"},
    "state": {"values"},
    "synthetic": {"fields"},
    "targets": {"moments", "state", "values"},
    "training": {
        "feeding",
        "fields",
        "models",
        "optimizers",
        "progress",
        "splits",
        "targets",
        "values",
    },
    "values": set(),
    "vocabulary": {"values"},
}
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


def undocumented(source: str) -> list[str]:
    """Public functions, classes and methods without a docstring; the module too."""
    tree = ast.parse(source)
    missing = [] if ast.get_docstring(tree) else ["module"]

    def look(node: ast.AST, inside: str) -> None:
        for child in node.body:
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                if child.name.startswith("_"):
                    continue
                overrides = isinstance(node, ast.ClassDef) and node.bases
                if not ast.get_docstring(child) and not overrides:
                    missing.append(inside + child.name)
                if isinstance(child, ast.ClassDef):
                    look(child, f"{inside}{child.name}.")

    look(tree, "")
    return missing


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


@helper
def test_no_helper_is_tied_to_one_backend(path):
    tied = {name.split(".")[0] for name in imports(path.read_text("utf-8"))}
    tied &= {"tensorflow", "jax", "torch"}
    if path.stem in ("feeding", "optimizers"):
        tied -= {"tensorflow"}  # tf.data, a fused kernel; elsewhere both do as Keras
    assert not tied, f"helpers/{path.name} imports {', '.join(tied)}: use keras.ops."


@helper
def test_what_is_public_is_documented(path):
    missing = undocumented(path.read_text("utf-8"))
    assert not missing, f"helpers/{path.name}: no docstring: {', '.join(missing)}."


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.parent.name)
def test_links_of_a_readme_lead_somewhere(path):
    assert path.exists(), f"There is no {path.relative_to(ROOT)}."
    assert not dead_links(path.read_text("utf-8"), path.parent)


def test_the_rules_themselves_bite(tmp_path):
    source = "from . import fields\nfrom .layers import A\nimport helpers.models\n"
    assert imports(source) == {"helpers.fields", "helpers.layers", "helpers.models"}
    assert imports("from helpers import plots") == {"helpers.plots"}
    assert imports("def f():\n    import tensorflow.math") == {"tensorflow.math"}
    source = "class A:\n    'doc'\n    def f(self): pass\n    def _g(self): pass\n"
    assert undocumented(source) == ["module", "A.f"]
    (tmp_path / "here.md").touch()
    text = '[a](here.md#x) [b](gone.md) ![c](x:y) `[d](no)` <img src="lost.svg">'
    assert dead_links(text, tmp_path) == ["gone.md", "lost.svg"]
