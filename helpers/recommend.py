"""The best items for each user: every user with every item, scored and sorted."""

import functools
import os
from collections.abc import Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import keras
import numpy as np
import pandas as pd
from threadpoolctl import ThreadpoolController

from helpers import models as keras_models
from helpers import training, values
from helpers.fields import FieldEncoder
from helpers.shares import ITEM, USER, Pairs
from helpers.targets import Target

PAIRS = 2**18  # scored at once, by each thread


def top(
    models: Sequence[keras.Model],
    encoder: FieldEncoder,
    target: Target,
    users: pd.DataFrame,
    items: pd.DataFrame,
    *,
    user: Hashable,
    item: Hashable,
    n: int = 10,
    seen: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The n items with the highest raw output for each user, best first.

    models: one, or several: items are ranked by their mean output, and the answer is
        the mean of theirs
    users, items: a row each, with the columns that the encoder reads, each column in
        one of the two. A field depends on the user or on the item, never on the pair.
    user, item: the columns with their ids
    seen: pairs, in columns `user` and `item`, that are not recommended
    ->  columns user, item and the target's, with the answer; at most n rows a user

    Items are ranked by the raw output: answers are clipped, and clipped ones would tie.

    Raises ValueError for no users or items, ids that occur twice, columns in both
    tables, ids of `seen` of another type, n below 1, a model of another encoder, and
    one whose output is no finite number.
    """
    line_of, place_of = _rows_of(users, user), _rows_of(items, item)
    if not n >= 1:
        raise ValueError(f"n is {n}: ask for one item at least.")
    if both := [name for name in encoder.columns if name in users and name in items]:
        raise ValueError(
            f"Columns are in both tables: {both}. Leave each in the one that it tells "
            "something of: users or items."
        )
    for model in models:
        keras_models.check_encoder(model, encoder)
    items_only = items[[name for name in items if name not in users]]
    with_item = users.merge(items_only.head(1), how="cross")
    with_user = users.head(1).merge(items_only, how="cross")
    of_user = encoder.transform(with_item.set_axis(users.index))  # errors name its rows
    of_item = encoder.transform(with_user.set_axis(items.index))
    for model in models:
        for x in (of_user, of_item):
            training.check_fields(model, x)
    sides = {
        name: [USER if of_user else ITEM for of_user in columns]
        for name, columns in encoder.reading(users.columns).items()
    }
    hidden = np.zeros((0, 2), int)
    if seen is not None:
        hidden = _places(line_of, place_of, seen, user, item)
    chunk = max(1, PAIRS // len(items))

    def best_of(start: int) -> tuple[np.ndarray, ...]:
        """Rows of users, rows of items and answers, of one block of users."""
        stop = min(start + chunk, len(users))
        here = hidden[(hidden[:, 0] >= start) & (hidden[:, 0] < stop)]
        skip = np.zeros((stop - start, len(items)), bool)
        skip[here[:, 0] - start, here[:, 1]] = True
        raw = np.array([model.block(start, stop, skip) for model in pairs])
        if not np.isfinite(raw).all():
            raise ValueError("The model gives NaN: its training diverged.")
        mean = raw.mean(axis=0) if len(raw) > 1 else raw[0].copy()
        mean[skip] = -np.inf
        line, place = best(mean, int(n))
        answers = target.answer(raw[:, line, place]).mean(axis=0)
        return start + line, place, answers

    with _one_thread_each() as pool:
        pairs = [Pairs(model, of_user, of_item, sides) for model in models]
        found = [*pool.map(best_of, range(0, len(users), chunk))]
    line, place, answers = map(np.concatenate, zip(*found, strict=True))
    return pd.DataFrame(
        {
            user: users[user].to_numpy()[line],
            item: items[item].to_numpy()[place],
            target.column: answers,
        }
    )


@contextmanager
def _one_thread_each() -> Iterator[ThreadPoolExecutor]:
    """A pool with a thread for each core, in each of which NumPy uses one thread."""
    with _blas().limit(limits=1), ThreadPoolExecutor(os.cpu_count()) as pool:
        yield pool


@functools.cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


def _rows_of(table: pd.DataFrame, name: Hashable) -> dict:
    """Id -> row of the table."""
    values.check_columns(table, [name])
    found = values.distinct(table[name])
    found.refuse(found.codes < 0, "has a missing value", "Drop those rows.")
    again = pd.Series(found.codes).duplicated().to_numpy()
    found.refuse(again, "has a value of a row before", "Keep one row for each.")
    if not len(table):
        raise ValueError(f"There are no rows with a {name!r} to make lists of.")
    return {found.values[code]: row for row, code in enumerate(found.codes)}


def _places(
    line_of: dict, place_of: dict, seen: pd.DataFrame, user: Hashable, item: Hashable
) -> np.ndarray:
    """Rows of the tables for each seen pair of which both are there: (m, 2)."""
    values.check_columns(seen, [user, item])
    sides = []
    for name, rows in ((user, line_of), (item, place_of)):
        found = values.distinct(seen[name])
        kind = values.kind_of(next(iter(rows)))
        values.check_one_kind(
            found, kind, where=f"the table with a row for each {name!r}"
        )
        at = np.array([rows.get(value, -1) for value in found.values] + [-1])
        sides.append(at[found.codes])
    places = np.column_stack(sides)
    return places[(places >= 0).all(axis=1)]


def best(raw: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Lines and places of the n highest of each line, sorted; none that is infinite.

    raw: (lines, places)  ->  two arrays, of at most n a line
    """
    n = min(n, raw.shape[1])
    place = np.argpartition(-raw, n - 1, axis=1)[:, :n]
    best = np.take_along_axis(raw, place, axis=1)
    order = np.argsort(-best, axis=1, kind="stable")
    place = np.take_along_axis(place, order, axis=1).ravel()
    line = np.repeat(np.arange(len(raw)), n)
    kept = np.isfinite(raw[line, place])
    return line[kept], place[kept]
