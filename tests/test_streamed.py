"""Training from files: every row once an epoch, in a new order, as from memory."""

import threading

import keras
import numpy as np
import pandas as pd
import pytest

from helpers import feeding, models, training
from helpers.fields import FieldEncoder, History, MultiCategorical, Numeric
from helpers.parquet import Parquet
from helpers.predictor import Predictor
from helpers.splits import Split
from helpers.streamed import Streamed
from helpers.targets import Amount, Chosen, Stars

ROWS, GROUP, SIZE = 103, 9, 10
PIECES = -(-ROWS // GROUP)
rng = np.random.default_rng(0)
TABLE = pd.DataFrame(
    {
        "id": np.arange(ROWS) % 19,
        "word": rng.choice([*"abcdef"], ROWS),
        "tags": rng.choice(["x|y", "x", "", "y|z|w"], ROWS),
        "price": rng.normal(size=ROWS),
        "rating": rng.integers(1, 6, ROWS).astype(float),
    }
)
FIELDS = {
    "id": "categorical",
    "word": "categorical",
    "tags": MultiCategorical(separator="|"),
    "price": "numeric",
}


@pytest.fixture
def files(tmp_path):
    return Parquet(written(TABLE, tmp_path / "rows.parquet"))


def written(table, path):
    table.to_parquet(path, index=False, row_group_size=GROUP)
    return path


@pytest.fixture
def encoder():
    return FieldEncoder(FIELDS).fit(TABLE)


@pytest.fixture
def streamed(files, encoder):
    return training.encode(encoder, Stars().fit(TABLE), files)


def numbered(number: int):
    """Piece `number` of ROWS rows that know which they are."""
    ids = np.arange(ROWS, dtype="int32")[number * GROUP : (number + 1) * GROUP, None]
    return {"id": ids, "list": np.hstack([ids, -ids])}, ids.astype("float32") / 10


@pytest.fixture
def epochs(batches_of):
    """Called with a number, a seed and a buffer: the batches of each epoch."""

    def collect(count: int, seed: int = 7, buffer: int = 30) -> list:
        pieces = feeding.Pieces(numbered, PIECES, ROWS, SIZE, buffer, seed)
        return batches_of(feeding.streamed(pieces), count)

    return collect


def order(batches) -> np.ndarray:
    return np.concatenate([x["id"][:, 0] for x, _ in batches])


@pytest.mark.parametrize("buffer", [1, 30, 45, 1000])
def test_each_epoch_has_every_row_once(epochs, buffer):
    for batches in epochs(3, buffer=buffer):
        assert sorted(order(batches)) == [*range(ROWS)]
        assert [len(y) for _, y in batches] == [SIZE] * 10 + [3]
        for x, y in batches:
            np.testing.assert_array_equal(x["list"], np.hstack([x["id"], -x["id"]]))
            np.testing.assert_allclose(y, x["id"] / 10)


@pytest.mark.parametrize("buffer", [1, 30, 1000])
def test_an_epoch_has_an_order_of_its_own_by_seed_and_number(epochs, buffer):
    first, second = map(order, epochs(2, buffer=buffer))
    again = [*map(order, epochs(2, buffer=buffer))]
    np.testing.assert_array_equal(first, again[0])
    np.testing.assert_array_equal(second, again[1])
    other = order(epochs(1, seed=8, buffer=buffer)[0])
    for one in (second, other, np.arange(ROWS)):
        assert (first != one).mean() > 0.9


def test_rows_are_shuffled_over_the_pieces_of_a_buffer_and_no_further(epochs):
    (batches,) = epochs(1, buffer=2 * GROUP)
    group = order(batches) // GROUP
    first = group[: 2 * GROUP // SIZE * SIZE]  # of two groups
    assert len({*first}) == 2 and (np.diff(first) != 0).sum() > 3


def test_both_backends_have_the_same_batches(monkeypatch):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("is about TensorFlow")
    pieces = feeding.Pieces(numbered, PIECES, ROWS, SIZE, 30, 7)
    on_tensorflow = [*feeding.streamed(pieces)["x"].as_numpy_iterator()]
    pieces.begin(0)
    alone = [pieces[step] for step in range(len(pieces))]
    np.testing.assert_array_equal(order(on_tensorflow), order(alone))
    pieces.on_epoch_end()
    assert (order([pieces[i] for i in range(11)]) != order(alone)).mean() > 0.9


def test_memory_holds_the_buffer_in_use_and_the_next():
    read = []

    def piece(number):
        read.append(number)
        return numbered(number)

    pieces = feeding.Pieces(piece, PIECES, ROWS, SIZE, 2 * GROUP, 0)
    chunks = pieces.ahead()
    next(chunks)
    chunks.close()  # waits for the thread
    assert len(read) <= 4


def test_a_thread_is_gone_when_an_epoch_is_left_early():
    makers = set()

    def piece(number: int):
        makers.add(threading.current_thread())
        return numbered(number)

    chunks = feeding.Pieces(piece, PIECES, ROWS, SIZE, 30, 0).ahead()
    next(chunks)
    chunks.close()
    assert makers and threading.current_thread() not in makers
    assert not any(thread.is_alive() for thread in makers)


def test_lists_of_several_lengths_are_padded():
    pieces = [({"l": np.ones((1, n), "int32")}, np.ones((1, 1))) for n in (1, 3)]
    x, y = feeding._joined(pieces)
    np.testing.assert_array_equal(x["l"], [[1, 0, 0], [1, 1, 1]])
    assert y.shape == (2, 1)


# ---- encoded rows of files


def test_pieces_are_the_rows_encoded(streamed, encoder):
    assert isinstance(streamed, Streamed)
    assert (streamed.n_rows, streamed.n_pieces) == (ROWS, PIECES)
    expected = encoder.transform(TABLE)
    pieces = [*streamed.pieces()]
    for name, array in expected.items():
        found = np.concatenate([x[name] for x, _ in pieces])
        np.testing.assert_array_equal(found, array)
    y = np.concatenate([y for _, y in pieces])
    np.testing.assert_array_equal(y, TABLE[["rating"]].astype("float32"))


def test_kept_pieces_are_the_same_and_need_no_rows(streamed, tmp_path):
    kept = streamed.kept(tmp_path / "kept")
    expected = [*streamed.pieces()]
    (tmp_path / "rows.parquet").unlink()
    for (x, y), (x_kept, y_kept) in zip(expected, kept.pieces(), strict=True):
        assert [*x] == [*x_kept]
        for name in x:
            np.testing.assert_array_equal(x[name], x_kept[name])
            assert x[name].dtype == x_kept[name].dtype
        np.testing.assert_array_equal(y, y_kept)


def test_kept_pieces_do_not_mix_with_others(streamed, tmp_path):
    streamed.kept(tmp_path / "kept")
    with pytest.raises(
        ValueError, match=r"kept is not empty, or no folder: name a new"
    ):
        streamed.kept(tmp_path / "kept")


def test_pieces_are_kept_all_or_none(tmp_path, encoder):
    odd = TABLE.astype({"word": object})
    odd.loc[ROWS - 1, "word"] = None
    files = Parquet(written(odd, tmp_path / "rows.parquet"))
    rows = training.encode(encoder, Stars().fit(TABLE), files)
    for there in (False, True):
        if there:
            (tmp_path / "kept").mkdir()
        with pytest.raises(ValueError, match="'word' has a missing value"):
            rows.kept(tmp_path / "kept")
        left = sorted(path.name for path in tmp_path.rglob("*"))
        assert left == [*["kept"] * there, "rows.parquet"]


def test_a_file_is_no_folder_to_keep_pieces_in(streamed, tmp_path):
    with pytest.raises(ValueError, match=r"rows.parquet is not empty, or no folder"):
        streamed.kept(tmp_path / "rows.parquet")


# ---- training


def model_for(data):
    return models.deepfm(data.encoder.specs, k=3, units=(4,), seed=0)


@pytest.fixture
def split(tmp_path):
    """The same rows as tables, and as files."""
    cuts = TABLE[:60], TABLE[60:80], TABLE[80:]
    paths = [tmp_path / f"{name}.parquet" for name in ("train", "valid", "test")]
    of_files = Split(
        *[Parquet(written(c, p)) for c, p in zip(cuts, paths, strict=True)]
    )
    return Split(*cuts), of_files


@pytest.mark.parametrize("target", [Stars(), Amount("price")])
def test_files_are_prepared_as_tables_are(split, target):
    fields = {name: kind for name, kind in FIELDS.items() if name != target.column}
    tables, of_files = (training.prepare(one, fields, target) for one in split)
    assert tables.encoder.to_json() == of_files.encoder.to_json()
    assert tables.target.state() == of_files.target.state()
    assert [rows.n_rows for rows in of_files[:3]] == [60, 20, 23]
    assert [rows.n_rows for rows in tables[:3]] == [60, 20, 23]


def test_a_target_is_no_field_of_files_either(split):
    with pytest.raises(ValueError, match="it cannot be a field"):
        training.prepare(split[1], {"rating": "numeric"})


def test_a_history_learns_from_files(split):
    fields = {"id": "categorical", "liked": History("word", "id", "rating", at_least=4)}
    tables, of_files = (training.prepare(one, fields) for one in split)
    assert tables.encoder.to_json() == of_files.encoder.to_json()


def test_batches_as_large_as_all_rows_train_alike(split):
    """Then the order makes no difference: to the last digits as from memory."""
    curves, weights = [], []
    for one in split:
        data = training.prepare(one, FIELDS)
        model = model_for(data)
        how = {"epochs": 3, "batch_size": 60, "learning_rate": 0.01}
        curves.append(training.fit(model, data.train, data.valid, **how))
        weights.append(models.weights_of(model))
        assert model.fingerprint == data.encoder.fingerprint
    for path, weight in weights[0].items():
        np.testing.assert_allclose(weights[1][path], weight, atol=1e-4)
    np.testing.assert_allclose(curves[1].train, curves[0].train, rtol=1e-4)
    np.testing.assert_allclose(curves[1].valid, curves[0].valid, rtol=1e-4)


def test_scores_of_files_are_those_of_the_table(split):
    tables, of_files = (training.prepare(one, FIELDS) for one in split)
    model = model_for(tables)
    expected = training.evaluate(model, tables.test)
    assert training.evaluate(model, of_files.test) == pytest.approx(expected, rel=1e-5)


def test_kept_pieces_train_as_the_files_do(split, tmp_path):
    data = training.prepare(split[1], FIELDS)
    found = []
    for train in (data.train, data.train.kept(tmp_path / "kept")):
        model = model_for(data)
        training.fit(model, train, data.valid, epochs=2, batch_size=8, buffer=20)
        found.append(models.weights_of(model))
    for path, weight in found[0].items():
        np.testing.assert_array_equal(found[1][path], weight)


def test_a_falling_rate_counts_the_batches_of_files(split, monkeypatch):
    steps = []
    schedule = keras.optimizers.schedules.CosineDecay

    def watched(rate, number):
        steps.append(number)
        return schedule(rate, number)

    monkeypatch.setattr(keras.optimizers.schedules, "CosineDecay", watched)
    data = training.prepare(split[1], FIELDS)
    model = model_for(data)
    training.fit(model, data.train, epochs=2, batch_size=8, decay=True)
    assert steps == [2 * 8]
    assert int(model.optimizer.iterations) == 2 * 8


def test_a_predictor_is_trained_from_files(split):
    how = {"model": {"k": 2, "units": (3,)}, "fit": {"epochs": 2, "batch_size": 16}}
    predictor = Predictor.train(split[1], FIELDS, Stars(), **how)
    assert len(predictor.predict(TABLE)) == ROWS
    none = split[1]._replace(valid=Parquet(split[1].valid.path, ["id"]))
    none.valid.groups = []
    Predictor.train(
        none._replace(valid=none.valid.only([*TABLE])), FIELDS, Stars(), **how
    )


def test_a_bad_value_stops_a_training_with_file_and_group(split):
    data = training.prepare(split[1], FIELDS)
    bad = TABLE[:60].copy()
    bad.loc[40, "price"] = np.inf
    written(bad, split[1].train.path)
    train = training.encode(data.encoder, data.target, Parquet(split[1].train.path))
    says = r"'price' .* in rows \[40\] of train.parquet, row group 4\."
    with pytest.raises(ValueError, match=says):
        training.fit(model_for(data), train, epochs=1, batch_size=8, buffer=9)


def test_no_rows_in_files(split):
    data = training.prepare(split[1], FIELDS)
    written(TABLE[:0], split[1].test.path)
    none = training.encode(data.encoder, data.target, Parquet(split[1].test.path))
    with pytest.raises(ValueError, match="There are no rows"):
        training.fit(model_for(data), none)
    with pytest.raises(ValueError, match="There are no rows"):
        training.evaluate(model_for(data), none)


def test_rows_of_another_encoder_are_refused(split):
    data = training.prepare(split[1], FIELDS)
    model = model_for(data)
    training.fit(model, data.train, epochs=1)
    other = FieldEncoder(FIELDS | {"price": Numeric(log=True)}).fit(TABLE)
    rows = training.encode(other, data.target, split[1].train)
    with pytest.raises(ValueError, match="the same ids mean other values"):
        training.evaluate(model, rows)
    small = models.deepfm(FieldEncoder(FIELDS).fit(TABLE[:5]).specs, k=2, units=(3,))
    with pytest.raises(ValueError, match="and the model knows 0 to"):
        training.fit(small, data.train, epochs=1, batch_size=8)


def test_what_is_drawn_beside_rows_needs_them_in_memory(split):
    target = Chosen("id", "word", negatives=2)
    fields = {"id": "categorical", "word": "categorical"}
    data = training.prepare(split[1], fields, target)
    with pytest.raises(ValueError, match="read the files into a DataFrame"):
        training.fit(model_for(data), data.train, epochs=1)
    in_memory = training.prepare(split[0], fields, target)
    with pytest.raises(ValueError, match="read the files into a DataFrame"):
        training.fit(model_for(data), in_memory.train, data.valid, epochs=1)


@pytest.mark.parametrize("buffer", [0, -1, 1.5, None])
def test_a_buffer_is_a_number_of_rows(split, buffer):
    data = training.prepare(split[1], FIELDS)
    with pytest.raises(ValueError, match="buffer is a whole number from 1"):
        training.fit(model_for(data), data.train, buffer=buffer)
