"""From a raw row to its answer: Keras, the exported file, and HTTP.

    python -m benchmarks.serving [rounds] [--anew]

Rows, fields and DeepFM are those of Adult in notebook 10; its weights are not trained,
for the time does not depend on them. One row is a dict, a batch a list of dicts, and a
table a DataFrame. In each round all take their turn, so that a busy machine slows all
of them, and what is compared is a ratio of one round.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import httpx
import pandas as pd

from benchmarks import contest, results, trials, turns
from helpers import service, training
from helpers.predictor import Predictor
from helpers.serve import Scorer
from helpers.splits import Split
from helpers.targets import Clicks

ADULT = contest.ADULT
TARGET, FIELDS = contest.TARGETS[ADULT], contest.FIELDS[ADULT]
BATCH, TABLE_ROWS = 1_000, 100_000
MODEL = {"k": 8, "units": (64,)}
ONE_BY_ONE = 50  # single rows in a turn
#: Ratios of two ways, by name: above, below.
RATIOS = {
    "one row, Keras to ONNX": ("Keras, one row", "ONNX, one row"),
    "one row, HTTP to ONNX": ("HTTP, one row", "ONNX, one row"),
    "batch, Keras to ONNX": ("Keras, batch", "ONNX, batch"),
    "batch, HTTP to ONNX": ("HTTP, batch", "ONNX, batch"),
    "table, ONNX to encoding": ("ONNX, table", "encoding, table"),
    "table, Keras to ONNX": ("Keras, table", "ONNX, table"),
}


def predictor(rows: pd.DataFrame) -> Predictor:
    """An untrained DeepFM that knows the fields of the rows."""
    split = Split(rows, rows[:0], rows[:0])
    data = training.prepare(split, FIELDS, Clicks(TARGET))
    model = training.build(data, MODEL, 0)
    return Predictor([model], data.encoder, data.target, MODEL)


def as_dicts(rows: pd.DataFrame) -> list[dict]:
    """Rows as JSON has them: a missing value is None."""
    return rows.astype(object).where(rows.notna(), None).to_dict("records")


def ways(
    own: Predictor, scorer: Scorer, ask: Callable, rows: pd.DataFrame
) -> dict[str, Callable[[int], object]]:
    """Name -> a call with the number of a round.

    ask: rows as dicts -> answers, over HTTP
    rows: without the target, as many as a table has
    """
    dicts = as_dicts(rows.head(2 * BATCH))

    def singles(call: Callable) -> Callable[[int], None]:
        def each(number: int) -> None:
            for i in range(ONE_BY_ONE):
                call(dicts[(number * ONE_BY_ONE + i) % len(dicts)])

        return each

    found = {"encoding, table": lambda _: own.encoder.transform(rows)}
    named = {"Keras": own.predict, "ONNX": scorer.predict, "HTTP": ask}
    for name, call in named.items():
        found[f"{name}, one row"] = singles(call)
        found[f"{name}, batch"] = lambda _, call=call: call(dicts[:BATCH])
        if name != "HTTP":
            found[f"{name}, table"] = lambda _, call=call: call(rows)
    return found


def measure(calls: dict[str, Callable], rounds: int) -> dict:
    """Seconds of each way, quartiles over the rounds, and RATIOS round by round.

    Of one row: the mean of ONE_BY_ONE.
    """
    for call in calls.values():
        call(0)  # compiles
    taken = {name: [] for name in calls}
    for number in range(rounds):
        for name, call in calls.items():
            divisor = ONE_BY_ONE if name.endswith("one row") else 1
            taken[name].append(turns.seconds(call, number) / divisor)
    figures = {name: turns.quartiles(found) for name, found in taken.items()}
    ratios = {
        name: turns.quartiles(
            [a / b for a, b in zip(taken[above], taken[below], strict=True)]
        )
        for name, (above, below) in RATIOS.items()
    }
    return {"seconds": figures, "ratios": ratios}


def run(rounds: int) -> dict:
    """measure() on Adult."""
    rows = contest.rows_of(ADULT)
    own = predictor(rows)
    asked = rows[own.encoder.columns].sample(TABLE_ROWS, replace=True, random_state=0)
    asked = asked.reset_index(drop=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "income.onnx"
        own.export(file)
        with (
            service.running(file) as address,
            httpx.Client(base_url=address, trust_env=False, timeout=60) as client,
        ):

            def ask(some) -> list[float]:
                answer = client.post("/predict", json=some).raise_for_status()
                return answer.json()["answers"]

            return measure(ways(own, Scorer(file), ask, asked), rounds)


def main(rounds: int = 7) -> None:
    """Measure in a process of its own, keep and print."""
    figures = trials.Trials("serving", ADULT, 1).alone(run, rounds)
    how = {"rounds": rounds, "batch": BATCH, "table": TABLE_ROWS, "model": MODEL}
    print(results.write("serving", ADULT, figures, **how))
    for text in lines(figures):
        print(text)


def lines(figures: dict) -> list[str]:
    """Medians in words, with the middle half of each ratio."""
    seconds = [
        f"{name:20} {1000 * found['median']:10.3f} ms"
        for name, found in figures["seconds"].items()
    ]
    ratios = [
        f"{name:24} {found['median']:6.2f} ({found['low']:.2f} to {found['high']:.2f})"
        for name, found in figures["ratios"].items()
    ]
    return seconds + ratios


if __name__ == "__main__":
    main(*map(int, trials.words()))
