"""The Python blocks of README run as they stand, from a table to a file that serves."""

import re
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from sections import few_users

from helpers import best, datasets

README = Path(__file__).resolve().parent.parent / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), re.M | re.S)


@pytest.fixture(scope="module")
def shop() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 900
    rows = pd.DataFrame(
        {
            "customer": rng.integers(0, 40, n),
            "device": rng.choice(["phone", "desk", "watch"], n, p=[0.6, 0.395, 0.005]),
            "tags": [[f"t{i}" for i in range(k)] for k in rng.geometric(0.4, n) - 1],
            "price": rng.lognormal(3, 1, n).round(2),
        }
    )
    rows.loc[::7, "price"] = np.nan
    liking = rng.normal(0, 1.5, 40)[rows.customer]
    rows["bought"] = rng.random(n) < 1 / (1 + np.exp(-liking))
    return rows


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="ONNX needs it")
def test_a_table_becomes_a_folder_and_a_file_that_answer(shop, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = {"rows": shop, "new_rows": shop.drop(columns="bought").head(5)}
    train, serve = (block for block in BLOCKS if '"shop' in block)
    (look,) = (block for block in BLOCKS if "suggest(" in block)
    exec(look, said)
    assert {"customer", "device", "tags", "price"} == {*said["found"].fields}
    exec(train, said)
    exec(serve, said)
    found = said["shop"].evaluate(said["split"].test)
    assert found["log loss"] < found["log loss of the base rate"]
    answers = said["Predictor"].load("shop").predict(said["new_rows"])
    assert answers.index.equals(said["new_rows"].index)
    served = said["Scorer"]("shop.onnx").predict(said["new_rows"])
    np.testing.assert_allclose(served, answers, atol=1e-5)


def test_a_log_of_choices_becomes_lists():
    (block,) = (block for block in BLOCKS if "Chosen(" in block)
    rng = np.random.default_rng(0)
    customers = pd.DataFrame({"customer": np.arange(30)})
    articles = pd.DataFrame({"article": [f"a{i}" for i in range(40)]})
    articles["brand"] = [f"b{i % 4}" for i in range(40)]
    log = customers.merge(articles, how="cross")
    # who is of a brand chooses it
    own = log.customer % 4 == log.brand.str[1:].astype(int)
    log = log[rng.random(len(log)) < np.where(own, 0.8, 0.05)]
    said = {"log": log, "customers": customers, "articles": articles}
    *lines, last = block.strip().split("\n")
    exec("\n".join(lines), said)
    found = eval(last, said)
    assert found["recall"] > 0.4  # at random 10 of some 32 articles, the seen ones out
    assert len(said["top"]) == 300


def test_the_best_model_is_trained_as_readme_says(monkeypatch):
    (block,) = (block for block in BLOCKS if "best.RECIPES" in block)
    fit = best.FIT | {"epochs": 1, "batch_size": 256}
    quick = best.RECIPES["ml-100k"]._replace(fit=fit, members=2)
    monkeypatch.setitem(best.RECIPES, "ml-100k", quick)
    monkeypatch.setattr(datasets, "load", {"ml-100k": few_users()}.get)
    said = {}
    exec(block, said)
    films = said["films"]
    assert len(films.models) == 2
    found = films.evaluate(said["split"].test)
    assert found["RMSE"] < found["RMSE of the mean"] - 0.1


def test_every_block_was_run():
    assert len(BLOCKS) == 6


def test_rows_in_files_become_a_predictor(shop, tmp_path, monkeypatch):
    (block,) = (block for block in BLOCKS if "Parquet(" in block)
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("train", "valid", "test")):
        (tmp_path / name).mkdir()
        rows = shop.iloc[300 * number : 300 * (number + 1)]
        rows.to_parquet(tmp_path / name / "part.parquet", row_group_size=70)
    said = {}
    exec(block.replace('"epochs": 10', '"epochs": 1'), said)
    assert [*map(len, said["answers"])] == [70, 70, 70, 70, 20]
    answers = pd.concat(said["answers"])
    np.testing.assert_allclose(answers, said["large"].predict(shop.iloc[600:]), 1e-6)
