"""How long ml-1m takes to read: all three files by us, ratings.dat by the usual call.

    python -m benchmarks.reading [rounds]

The usual call, `pd.read_csv(..., sep="::", engine="python")`, reads one file and checks
nothing. Ours reads three and checks every line. Both run in turn, round by round, in
one process, so that a busy machine slows both.
"""

import statistics
import sys

import pandas as pd

from benchmarks.turns import seconds
from helpers import datasets


def usual() -> pd.DataFrame:
    names = ["user_id", "movie_id", "rating", "timestamp"]
    file = datasets.DATA / "ml-1m" / "ratings.dat"
    return pd.read_csv(file, sep="::", engine="python", header=None, names=names)


def ours() -> datasets.MovieLens:
    return datasets.load("ml-1m")


def main(rounds: int = 5) -> None:
    data, table = ours(), usual()  # the files are in the disk cache from here on
    same = (data.ratings.to_numpy() == table.to_numpy()).all()
    print(f"same ratings by both: {same}, rows: {len(table):,}")
    times = [(seconds(usual), seconds(ours)) for _ in range(rounds)]
    slow, fast = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"usual call, ratings.dat       {slow:6.3f} s   (median of {rounds})")
    print(f"load('ml-1m'), three files    {fast:6.3f} s   (median of {rounds})")
    print(f"ratio                         {fast / slow:6.3f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
