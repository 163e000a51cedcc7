"""Run the notebooks in fresh kernels: as pages under build/, or in place.

python tools/run_notebooks.py [--only 02] [--in-place] [--notebooks DIR] [--build DIR]
"""

import argparse
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import nbformat
from kernel import Client
from nbclient.exceptions import CellExecutionError, DeadKernelError
from pages import write_index, write_page
from tidy import tidy
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
NEEDS_RAY = "11_scale"
AT_ONCE = 2  # kernels, for pages: one does not keep two processors busy
LOAD = """
import sys
from helpers import datasets
try:
    print(datasets.load().name)
except datasets.DataError as error:
    sys.exit(f"No data: {error}")
"""


class Failed(Exception):
    """A notebook stopped; the message is for the reader."""


def execute(
    path: Path, running: set[Client], threads: int | None = None
) -> tuple[nbformat.NotebookNode, float]:
    """The executed notebook and its seconds. Raises Failed: the cell, the error.

    running: has the notebook's client meanwhile; threads: as of Client
    """
    nb = nbformat.read(path, as_version=4)
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    for cell in code:  # the client leaves those of an empty cell
        cell.outputs, cell.execution_count = [], None
    begun = []  # the sources of the cells so far; the client leaves out empty ones
    with bar(path.stem, sum(bool(cell.source.strip()) for cell in code)) as cells:

        def begins(cell: nbformat.NotebookNode, cell_index: int) -> None:
            begun.append(cell.source)
            cells.update()

        client = Client(
            nb,
            threads,
            resources={"metadata": {"path": str(path.parent)}},
            coalesce_streams=True,
            record_timing=False,
            on_cell_execute=begins,
        )
        start = time.monotonic()
        running.add(client)
        try:
            client.execute()
        except (CellExecutionError, DeadKernelError) as error:
            where = f"{path.name} stopped in code cell {len(begun)}"
            raise Failed(report(where, begun[-1], error)) from None
        except RuntimeError as error:
            raise Failed(f"The kernel of {path.name} did not start: {error}") from None
        finally:
            running.remove(client)
    return nb, time.monotonic() - start


def bar(name: str, cells: int) -> tqdm:
    """A line on a terminal while a notebook runs; elsewhere the name of it."""
    if not sys.stdout.isatty():
        sys.stdout.write(f"{name}\n")  # whole, whatever another thread prints
        sys.stdout.flush()
    return tqdm(
        desc=name,
        total=cells,
        bar_format="{desc:28}  cell {n_fmt}/{total_fmt}  {elapsed}",
        file=sys.stdout,
        disable=None,
        leave=False,
    )


def report(where: str, source: str, error: Exception) -> str:
    """Where a notebook stopped, the source of the cell, and the error."""
    reason = "The kernel died. Too little memory is the usual cause."
    if isinstance(error, CellExecutionError):
        reason = f"{error.ename}: {error.evalue}"
    return f"{where}:\n\n{textwrap.indent(source, '    ')}\n\n{reason}"


def get_data() -> None:
    """Fetch MovieLens once; every kernel then uses that set."""
    child = subprocess.run(
        [sys.executable, "-c", LOAD], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    if child.returncode:
        raise Failed("The notebooks need MovieLens; see data/README.md.")
    *notes, os.environ["MOVIELENS"] = child.stdout.strip().splitlines()
    print(*notes, f"Data: {os.environ['MOVIELENS']}", sep="\n", flush=True)


def can_run(path: Path) -> bool:
    """Whether what the notebook needs is installed; says so where it is not."""
    there = path.stem != NEEDS_RAY or find_spec("ray") is not None
    if not there:
        print(f"Left out: {path.name}, which needs Ray. Install it: make scale")
    return there


@contextmanager
def executed(books: list[Path], at_once: int) -> Iterator[Iterator[tuple]]:
    """(path, what execute() gives) of each, as they end. Nothing runs on afterwards.

    Several at once share the processors: threads of one would wait for those of others.
    Then the last ones, which take longest, start first, and none is left to run alone.
    """
    share = None
    if at_once > 1:
        share = max(1, os.cpu_count() // at_once)
        books = books[::-1]
    running: set[Client] = set()
    kernels = ThreadPoolExecutor(at_once)
    paths = {kernels.submit(execute, path, running, share): path for path in books}
    try:
        yield ((paths[ended], ended.result()) for ended in as_completed(paths))
    finally:
        kernels.shutdown(wait=False, cancel_futures=True)
        while not all(one.done() for one in paths):
            for client in [*running]:
                client.stop()
            time.sleep(0.05)


def run(books: list[Path], build: Path, in_place: bool) -> None:
    """Run each notebook; write its page, or the notebook itself.

    In place one runs at a time: notebooks tell how many seconds something took.
    """
    times, start = {}, time.monotonic()
    if not in_place:
        build.mkdir(parents=True, exist_ok=True)
        for path in books:
            (build / f"{path.stem}.html").unlink(missing_ok=True)
    try:
        with executed(books, 1 if in_place else AT_ONCE) as found:
            for path, (nb, seconds) in found:
                if in_place:
                    nbformat.write(tidy(nb), path)
                else:
                    write_page(nb, path, build)
                times[path.stem] = seconds
    finally:
        if not in_place:
            write_index(books[0].parent, build, times)
    if sys.stdout.isatty():
        print(end="\r")  # the lines of tqdm are gone, and their column is left
    for name, seconds in sorted(times.items()):
        print(f"{seconds / 60:6.1f} min  {name}")
    where = books[0].parent if in_place else (build / "index.html").resolve()
    print(f"{(time.monotonic() - start) / 60:6.1f} min  in all\nWritten: {where}")


def main() -> int:
    """Run what the command line names; 1 where it stops."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="names that start with this")
    parser.add_argument("--in-place", action="store_true", help="store the outputs")
    parser.add_argument("--notebooks", type=Path, default=ROOT / "notebooks")
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--no-data", action="store_true", help="do not load MovieLens")
    args = parser.parse_args()
    books = sorted(args.notebooks.glob(f"{args.only}*.ipynb"))
    if not books:
        print(f"No notebook {args.only}*.ipynb in {args.notebooks}.", file=sys.stderr)
        return 1
    if not (books := [path for path in books if can_run(path)]):
        return 1
    try:
        if not args.no_data:
            get_data()
        run(books, args.build, args.in_place)
    except (Failed, KeyboardInterrupt) as stop:
        print(f"\n{str(stop) or 'Stopped.'}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
