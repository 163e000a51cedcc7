"""The best items for each user: every user with every item, scored and sorted."""

import keras
import numpy as np
import pandas as pd

from helpers import fields, training
from helpers.history import Encoders

PAIRS = 2**18  # scored at once


def top(
    model: keras.Model,
    encoder: fields.FieldEncoder | Encoders,
    users: pd.DataFrame,
    items: pd.DataFrame,
    n: int = 10,
    seen: pd.DataFrame | None = None,
    user: str = "user_id",
    item: str = "movie_id",
) -> pd.DataFrame:
    """The n items with the highest predicted rating for each user, best first.

    users, items: a row each, with the columns that the encoder asks for: together they
        hold them all. A field depends on the user or on the item, never on the pair.
    seen: pairs, in columns `user` and `item`, that are not recommended
    ->  columns user, item and rating (stars, clipped to 1-5), at most n rows a user

    Raises ValueError for no users or items, ids that occur twice, and n below 1.
    """
    for name, table in ((user, users), (item, items)):
        if not len(table) or table[name].duplicated().any():
            raise ValueError(f"One row for each {name!r} is needed, and one at least.")
    if n < 1:
        raise ValueError(f"n is {n}: ask for one item at least.")
    of_user = encoder.transform(users.merge(items.head(1), how="cross"))
    of_item = encoder.transform(users.head(1).merge(items, how="cross"))
    hidden = np.zeros((0, 2), int)
    if seen is not None:
        hidden = _places(users[user], items[item], seen[user], seen[item])
    chunk, found = max(1, PAIRS // len(items)), []
    for start in range(0, len(users), chunk):
        stop = min(start + chunk, len(users))
        x = {
            name: _pairs(of_user[name], of_item[name], start, stop)
            for name in model.input
        }
        stars = model.predict_on_batch(x).reshape(stop - start, len(items))
        here = hidden[(hidden[:, 0] >= start) & (hidden[:, 0] < stop)]
        stars[here[:, 0] - start, here[:, 1]] = -np.inf
        found.append(_best(stars, n, start))
    line, place, stars = map(np.concatenate, zip(*found, strict=True))
    return pd.DataFrame(
        {
            user: users[user].to_numpy()[line],
            item: items[item].to_numpy()[place],
            "rating": np.clip(stars, *training.SCALE),
        }
    )


def _pairs(of_user: np.ndarray, of_item: np.ndarray, start: int, stop: int):
    """(users, L) and (items, L) as one row a pair: each column is constant in one."""
    change = of_user[start:stop] - of_user[:1]
    both = change[:, None] + of_item[None]
    return both.reshape(-1, both.shape[-1]).astype(of_item.dtype, copy=False)


def _places(users, items, seen_users, seen_items) -> np.ndarray:
    """Rows of the tables for each seen pair of which both are there: (m, 2)."""
    line = pd.Index(users).get_indexer(seen_users)
    place = pd.Index(items).get_indexer(seen_items)
    places = np.column_stack([line, place])
    return places[(places >= 0).all(axis=1)]


def _best(stars: np.ndarray, n: int, start: int) -> tuple[np.ndarray, ...]:
    """(row of users, row of items, stars) of the n best of each line, sorted."""
    n = min(n, stars.shape[1])
    place = np.argpartition(-stars, n - 1, axis=1)[:, :n]
    best = np.take_along_axis(stars, place, axis=1)
    order = np.argsort(-best, axis=1, kind="stable")
    place = np.take_along_axis(place, order, axis=1).ravel()
    best = np.take_along_axis(best, order, axis=1).ravel()
    line = np.repeat(np.arange(start, start + len(stars)), n)
    kept = np.isfinite(best)
    return line[kept], place[kept], best[kept]
