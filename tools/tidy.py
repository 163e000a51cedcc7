"""What a stored notebook keeps: python tools/tidy.py notebooks/*.ipynb"""

import hashlib
import sys

import nbformat

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}
WIDGET = "application/vnd.jupyter.widget-view+json"


def tidy(nb: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Keep what the notebook says, drop what differs between runs and programs.

    Cell ids stay. A cell without one, or with that of another, gets a new one.
    """
    nb.metadata = nbformat.from_dict(METADATA)
    nb.nbformat, nb.nbformat_minor = 4, 5
    seen = set()
    for number, cell in enumerate(nb.cells):
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if cell.get("id") in seen | {None}:
            text = f"{number} {cell.source}"
            cell.id = hashlib.sha256(text.encode()).hexdigest()[:8]
        seen.add(cell.id)
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET, None)
            if "metadata" in output:
                output.metadata = nbformat.from_dict({})
    return nb


if __name__ == "__main__":
    for name in sys.argv[1:]:
        nbformat.write(tidy(nbformat.read(name, as_version=4)), name)
