"""Who is how much faster: the order of turns, the protocol, and what is made of it."""

import io
import json
import os
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from benchmarks import (
    floor,
    results,
    rivals,
    speed_worker,
    training_speed,
    turns,
)
from helpers import fields, synthetic
from helpers.fields import CATEGORICAL, NUMERIC, FieldSpec
from helpers.targets import Amount

KEPT = [results.read("training_speed", name) for name in ("ml-100k", "ml-1m")]
SMALL = {"k": 2, "units": [4, 3], "batch": 16, "rate": 0.03}


@pytest.fixture(scope="module")
def prepared() -> SimpleNamespace:
    """40 rows with a field of each kind, and a target that is no star."""
    rows = synthetic.planted_fm(40, n_users=5, n_movies=6, seed=1).rows
    encoder = fields.FieldEncoder(synthetic.KINDS).fit(rows)
    target = Amount("rating").fit(rows)
    y = target.encode(rows)
    train = SimpleNamespace(x=encoder.transform(rows), y=y, target=target)
    return SimpleNamespace(train=train, encoder=encoder, target=target)


@pytest.fixture
def small(monkeypatch) -> None:
    monkeypatch.setattr(turns, "SETTINGS", SMALL)


@pytest.fixture
def task(prepared, small, tmp_path) -> speed_worker.Task:
    turns.write_task(tmp_path, prepared)
    return speed_worker.read_task(tmp_path)


# ---- processes of their own


def test_a_call_that_is_alone_has_a_fresh_process_of_its_own(monkeypatch):
    monkeypatch.setitem(sys.modules, "met_before", ModuleType("met_before"))
    look = "__import__('os').getppid(), 'met_before' in __import__('sys').modules"
    assert turns.alone(eval, look) == (os.getpid(), False)


def test_what_a_call_prints_is_lost_and_what_it_raises_is_not(capfd):
    assert turns.alone(os.system, "echo loud; echo loud >&2; exit 3") == 3 << 8
    assert capfd.readouterr() == ("", "")
    with pytest.raises(ValueError, match="'x'"):
        turns.alone(int, "x")


def test_a_task_is_read_as_it_was_written(task, prepared):
    assert task.specs == prepared.encoder.specs
    assert [*task.x] == prepared.encoder.names
    for name, array in prepared.train.x.items():
        np.testing.assert_array_equal(task.x[name], array)
        assert task.x[name].dtype == array.dtype
    np.testing.assert_array_equal(task.y, prepared.train.y)
    assert task.target == prepared.target
    assert task.target.learned == prepared.target.learned
    assert {name: getattr(task, name) for name in SMALL} == SMALL


# ---- turns


class FakeWorker:
    """Epochs that take 1, 2, 3, ... seconds; `said` has all that happens."""

    said: list = []
    bad: tuple = ()

    def __init__(self, name, folder):
        self.name, self.count = name, 0
        assert (folder / "task.json").exists()
        self.said.append(f"start {name}")

    def answer(self):
        self.said.append(f"parameters {self.name}")
        return {"parameters": len(self.name)}

    def epoch(self):
        self.count += 1
        self.said.append(self.name)
        if (self.name, self.count) == self.bad:
            raise RuntimeError("died")
        return {"seconds": self.count, "cpu_seconds": 2 * self.count, "rmse": None}

    def stop(self):
        self.said.append(f"stop {self.name}")


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(FakeWorker, "said", [])
    monkeypatch.setattr(turns, "Worker", FakeWorker)
    return FakeWorker


def test_each_round_has_one_epoch_of_each_and_warm_up_is_not_counted(fake, prepared):
    runs = turns.race(prepared, ["a", "bb"], rounds=3, warm_up=2)
    assert fake.said == [
        *("start a", "start bb", "parameters a", "parameters bb"),
        *("a", "bb") * 5,
        *("stop a", "stop bb"),
    ]
    once = {"seconds": [3, 4, 5], "cpu_seconds": [6, 8, 10], "rmse": [None] * 3}
    assert runs == {
        "a": {"parameters": 1, "first_epoch": 1, **once},
        "bb": {"parameters": 2, "first_epoch": 1, **once},
    }


def test_two_rounds_warm_up_where_nobody_says_how_many(fake, prepared):
    assert turns.race(prepared, ["a"], rounds=2)["a"]["seconds"] == [3, 4]


def test_all_are_stopped_where_one_dies(fake, prepared, monkeypatch):
    monkeypatch.setattr(fake, "bad", ("a", 2))
    with pytest.raises(RuntimeError, match="died"):
        turns.race(prepared, ["a", "b"], rounds=3)
    assert fake.said[-5:] == ["a", "b", "a", "stop a", "stop b"]


def test_a_worker_that_has_died_says_why(tmp_path):
    worker = turns.Worker("nobody", tmp_path)
    try:
        with pytest.raises(RuntimeError, match=r"(?s)nobody died:\n.*KeyError: 'nobo"):
            worker.answer()
        worker.process.wait()
        with pytest.raises(RuntimeError, match="nobody died"):
            worker.epoch()
    finally:
        worker.stop()
    assert worker.process.returncode == 1


def test_threads_come_to_rest_between_two_turns(monkeypatch):
    said = []
    worker = turns.Worker.__new__(turns.Worker)
    stream = SimpleNamespace(write=said.append, flush=lambda: said.append("flush"))
    answers = io.StringIO('{"seconds": 1}\n')
    worker.process = SimpleNamespace(stdin=stream, stdout=answers)
    monkeypatch.setattr(turns.time, "sleep", said.append)
    assert worker.epoch() == {"seconds": 1}
    assert said == [0.05, "epoch\n", "flush"]


def test_ours_and_the_floor_race_as_they_would_train_alone(prepared, small):
    from helpers import models, training

    runs = turns.race(prepared, ["ours", "floor"], rounds=2, warm_up=1)
    model = models.deepfm(prepared.encoder.specs, 2, [4, 3], intercept=0.0, seed=0)
    train = training.Encoded(prepared.train.x, prepared.train.y, prepared.target)
    how = {"epochs": 3, "batch_size": 16, "learning_rate": 0.03}
    curve = training.fit(model, train, **how).train
    np.testing.assert_allclose(runs["ours"]["rmse"], curve[1:], rtol=1e-5)
    assert runs["ours"]["parameters"] == model.count_params()
    assert runs["floor"]["parameters"] == 0
    assert runs["floor"]["rmse"] == [None, None]
    for run in runs.values():
        assert run["first_epoch"] > 0 and len(run["seconds"]) == 2
        assert min(run["seconds"]) > 0 and min(run["cpu_seconds"]) > 0
    assert runs["ours"]["first_epoch"] > 5 * max(runs["floor"]["seconds"])


# ---- a worker


@pytest.fixture
def clock(monkeypatch) -> speed_worker.Clock:
    """Has three commands. Each look at it takes a second, and half a second of CPU."""
    now, cpu = iter(range(99)), iter(range(99))
    monkeypatch.setattr(speed_worker.time, "perf_counter", lambda: next(now))
    monkeypatch.setattr(speed_worker.time, "process_time", lambda: next(cpu) / 2)
    return speed_worker.Clock(io.StringIO("epoch\n" * 3), io.StringIO())


def answers(clock) -> list[dict]:
    return [json.loads(line) for line in clock.answers.getvalue().splitlines()]


def test_a_clock_measures_from_a_command_to_its_answer(clock):
    clock.answer(parameters=7)
    clock.wait()
    clock.done(0.5)
    clock.wait()
    clock.done()
    once = {"seconds": 1, "cpu_seconds": 0.5}
    assert answers(clock) == [
        {"parameters": 7},
        {**once, "rmse": 0.5},
        {**once, "rmse": None},
    ]
    clock.wait()
    with pytest.raises(EOFError):
        clock.wait()


def test_an_epoch_for_each_command_until_there_is_none(clock):
    epochs = iter([0.3, 0.2, 0.1])
    with pytest.raises(EOFError):
        speed_worker.repeat(lambda: next(epochs), clock)
    assert [a["rmse"] for a in answers(clock)] == [0.3, 0.2, 0.1]


def test_a_callback_waits_at_the_begin_of_an_epoch_and_answers_at_its_end(clock):
    class Base:
        pass

    callback = speed_worker.on_command(Base, clock, lambda logs: logs["loss"] + 1)
    assert isinstance(callback, Base)
    callback.on_epoch_begin(0)
    assert answers(clock) == []
    callback.on_epoch_end(0, {"loss": 2})
    assert answers(clock) == [{"seconds": 1, "cpu_seconds": 0.5, "rmse": 3}]


def test_what_libraries_print_is_no_answer_and_their_threads_keep_nobody(
    prepared, small, tmp_path
):
    turns.write_task(tmp_path, prepared)
    code = (
        "import sys, threading\n"
        "from benchmarks import speed_worker\n"
        "def loud(task, clock):\n"
        "    threading.Thread(target=threading.Event().wait).start()  # has no end\n"
        "    print('loud', flush=True)\n"
        "    clock.answer(rows=len(task.y))\n"
        "    clock.wait()\n"
        "speed_worker.CONTENDERS['loud'] = loud\n"
        "speed_worker.main('loud', sys.argv[1])\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    found = subprocess.run(
        command, cwd=turns.ROOT, input="", capture_output=True, text=True, timeout=120
    )
    assert (found.returncode, found.stdout) == (0, '{"rows": 40}\n')
    assert found.stderr == "loud\n"


def test_ours_on_jax_is_ours_on_another_backend(monkeypatch):
    seen = []

    def ours(*args):
        seen.append((os.environ["KERAS_BACKEND"], *args))

    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.setattr(speed_worker, "ours", ours)
    speed_worker.ours_jax("task", "clock")
    assert seen == [("jax", "task", "clock")]


def test_the_contenders_of_the_race_are_those_that_a_worker_knows():
    named = [*training_speed.OURS, *training_speed.RIVALS, training_speed.FLOOR]
    assert [*speed_worker.CONTENDERS] == named
    for name in named:
        assert speed_worker.CONTENDERS[name].__name__ == name


def test_deepctr_trains_on_the_distance_to_the_mean(task, clock, monkeypatch):
    seen = SimpleNamespace()

    class Model:
        def __init__(self, linear, deep, **settings):
            seen.columns, seen.settings = (linear, deep), settings

        def count_params(self):
            return 9

        def compile(self, optimizer, loss):
            seen.compiled = optimizer, loss

        def fit(self, x, y, callbacks, **how):
            seen.x, seen.y, seen.how = x, y, how
            assert answers(clock) == [{"parameters": 9}]
            for epoch in range(how["epochs"]):
                callbacks[0].on_epoch_begin(epoch)
                callbacks[0].on_epoch_end(epoch, {"loss": 0.25})

    keras = SimpleNamespace(
        callbacks=SimpleNamespace(Callback=object),
        initializers=SimpleNamespace(RandomNormal=lambda **how: how),
        optimizers=SimpleNamespace(Adam=lambda rate: ("Adam", rate)),
    )
    tensorflow = SimpleNamespace(keras=keras)
    monkeypatch.setattr(rivals, "tensorflow_of_keras_2", lambda: tensorflow)
    monkeypatch.setattr(rivals, "deepctr_columns", lambda *args: args)
    for name in ("deepctr", "deepctr.models"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["deepctr.models"].DeepFM = Model
    task = task._replace(y=task.y + 2, target=Amount("rating"))
    task.target.mean_ = task.target.scale_ = 1.0
    monkeypatch.setattr(Amount, "intercept", 2.0)
    with pytest.raises(EOFError):
        speed_worker.deepctr(task, clock)
    start = {"stddev": 0.02, "seed": 0}
    assert seen.columns == ((task.specs, task.x, 2, start),) * 2
    assert seen.settings == {
        "dnn_hidden_units": [4, 3],
        "task": "regression",
        "l2_reg_linear": 0,
        "l2_reg_embedding": 0,
        "l2_reg_dnn": 0,
    }
    assert seen.compiled == (("Adam", 0.03), "mse")
    assert seen.x is task.x
    np.testing.assert_allclose(seen.y, task.y - 2)
    assert seen.how == {"epochs": speed_worker.ENOUGH, "batch_size": 16, "verbose": 0}
    assert [a["rmse"] for a in answers(clock)[1:]] == [0.5] * 3


def test_pytorch_trains_an_epoch_for_each_command(clock, monkeypatch):
    class Model:
        def __init__(self, task):
            self.task = task

        def parameters(self):
            return [np.zeros(2), np.zeros(5)]

    monkeypatch.setattr(Model, "parameters", lambda self: map(Weight, (2, 5)))
    module = ModuleType("benchmarks.rivals_torch")
    module.DeepFM = Model
    module.trainer = lambda model, task: lambda: float(model.task == task)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.delattr("benchmarks.rivals_torch", raising=False)
    with pytest.raises(EOFError):
        speed_worker.pytorch("task", clock)
    assert answers(clock)[0] == {"parameters": 7}
    assert [a["rmse"] for a in answers(clock)[1:]] == [1.0] * 3


class Weight:
    def __init__(self, size):
        self.size = size

    def numel(self):
        return self.size


def test_the_floor_has_no_parameters_and_no_score(clock, monkeypatch):
    done = []
    monkeypatch.setattr(floor, "epoch_of", lambda task: lambda: done.append(task))
    with pytest.raises(EOFError):
        speed_worker.floor("task", clock)
    assert answers(clock)[0] == {"parameters": 0}
    assert [a["rmse"] for a in answers(clock)[1:]] == [None] * 3
    assert done == ["task"] * 3


# ---- the floor


class Seen(np.ndarray):
    """Tells which rows are gathered, and the shapes of its products."""

    gathered: list = []
    products: list = []

    def __getitem__(self, key):
        if isinstance(key, np.ndarray):
            self.gathered.append((self.shape, np.ravel(key).tolist()))
        return super().__getitem__(key)

    def __matmul__(self, other):
        self.products.append((self.shape, other.shape))
        return super().__matmul__(other)


def test_the_floor_gathers_all_rows_and_multiplies_three_times(monkeypatch):
    monkeypatch.setattr(Seen, "gathered", [])
    monkeypatch.setattr(Seen, "products", [])
    draw = floor.random
    monkeypatch.setattr(floor, "random", lambda *args: draw(*args).view(Seen))
    ids = np.arange(20, dtype="int32")[:, None]
    task = SimpleNamespace(
        x={"a": ids, "x": ids.astype("float32")},
        y=np.zeros((20, 1)),
        specs=[FieldSpec("a", CATEGORICAL, 50), FieldSpec("x", NUMERIC)],
        k=3,
        units=[4],
        batch=16,
    )
    floor.epoch_of(task)()
    rows = [*range(16)], [*range(16, 20)]
    assert Seen.gathered == [((50, k), ids) for ids in rows for k in (1, 3)]
    assert Seen.products == [
        shapes
        for n in (16, 4)
        for shapes in (
            *(((n, 6), (6, 4)), ((n, 4), (4, 1))),
            *(((6, n), (n, 4)), ((n, 4), (4, 6))),
            *(((4, n), (n, 1)), ((n, 1), (1, 4))),
        )
    ]


def test_the_numbers_of_the_floor_are_small():
    found = floor.random(np.random.default_rng(0), 200, 50)
    assert found.shape == (200, 50) and found.dtype == "float32"
    assert abs(found.mean()) < 0.001 and found.std() == pytest.approx(0.02, rel=0.05)


# ---- what is made of it


def test_quartiles_and_seconds():
    found = turns.quartiles([1.0, 2.0, 3.0, 4.0, 9.0])
    assert found == {"median": 3, "low": 2, "high": 4}
    slept = turns.seconds(turns.time.sleep, 0.05)
    assert 0.04 < slept < 5


def test_ratios_are_taken_round_by_round():
    runs = {"a": {"seconds": [2.0, 30.0, 4.0]}, "b": {"seconds": [1.0, 10.0, 2.0]}}
    for name, run in runs.items():
        run["cpu_seconds"] = [5.0] * 3 if name == "a" else [1.0] * 3
    assert turns.ratios(runs, "a", "b") == {"median": 2, "low": 2, "high": 2.5}
    assert turns.ratios(runs, "a", "b", "cpu_seconds")["median"] == 5


def test_runs_of_fewer_rounds_are_not_compared():
    runs = {"a": {"seconds": [1.0, 2.0, 3.0]}, "b": {"seconds": [1.0, 2.0]}}
    with pytest.raises(ValueError, match="shorter"):
        turns.ratios(runs, "a", "b")


def run_of(scale: float, parameters: int, rmse: float | None) -> dict:
    return {
        "parameters": parameters,
        "first_epoch": 10 * scale,
        "seconds": [scale * s for s in (3.0, 1.0, 2.0)],
        "cpu_seconds": [scale * s for s in (6.0, 8.0, 7.0)],
        "rmse": [9, 8, rmse],
    }


RUNS = {
    "ours": run_of(1, 5000, 0.9),
    "ours_jax": run_of(0.5, 5000, 0.91),
    "deepctr": run_of(2, 3764, 0.92),
    "pytorch": run_of(4, 5000, 0.93),
    "floor": run_of(0.25, 0, None),
}
SPECS = [FieldSpec("a", CATEGORICAL, 9), FieldSpec("x", NUMERIC)]


def same(ratio: float) -> dict:
    return {"median": ratio, "low": ratio, "high": ratio}


def test_runs_are_told_as_quartiles_and_as_times_ours():
    figures = training_speed.compared(RUNS, SPECS)
    assert [*figures] == [*RUNS, "explained"]
    assert figures["ours"] == {
        "parameters": 5000,
        "first_epoch": 10,
        "seconds": {"median": 2, "low": 1.5, "high": 2.5},
        "cpu_seconds": {"median": 7, "low": 6.5, "high": 7.5},
        "last_train_rmse": 0.9,
        "rounds": [3, 1, 2],
    }
    for name, scale, missing in (("deepctr", 2, 1236), ("pytorch", 4, 0)):
        found = figures[name]
        assert found["times_ours"] == found["cpu_times_ours"] == same(scale)
        assert found["times_ours_jax"] == found["cpu_times_ours_jax"] == same(2 * scale)
        assert found["parameters_missing"] == missing
    assert figures["floor"]["ours_times_floor"] == same(4)
    assert figures["explained"] == {"deepctr": 20 + 19 * 64, "pytorch": 0}


def test_seconds_of_processors_have_ratios_of_their_own():
    ours = RUNS["ours"] | {"cpu_seconds": [1.0, 1.0, 1.0]}
    figures = training_speed.compared(RUNS | {"ours": ours}, SPECS)
    found = figures["deepctr"]["cpu_times_ours"]
    assert found == {"median": 14, "low": 13, "high": 15}


def test_the_table_of_the_race(capsys):
    training_speed.show(training_speed.compared(RUNS, SPECS))
    assert capsys.readouterr().out == TABLE


TABLE = """\
                     s an epoch             / ours         / ours_jax parameters   RMSE
ours        2.000 (1.500-2.500)                                            5,000  0.900
ours_jax    1.000 (0.750-1.250)                                            5,000  0.910
deepctr     4.000 (3.000-5.000)   2.00 (2.00-2.00)   4.00 (4.00-4.00)      3,764  0.920
pytorch    8.000 (6.000-10.000)   4.00 (4.00-4.00)   8.00 (8.00-8.00)      5,000  0.930
floor       0.500 (0.375-0.625)                                                0      -
ours / floor: 4.00 (4.00-4.00)
deepctr: 1236 parameters fewer than ours, 1236 explained
pytorch: 0 parameters fewer than ours, 0 explained
"""


def test_the_race_is_kept_with_all_that_made_it(monkeypatch, in_this_process, capsys):
    asked = []
    rows = synthetic.planted_fm(30).rows
    data = SimpleNamespace(joined=lambda: rows)
    encoder = SimpleNamespace(specs=SPECS)
    train = SimpleNamespace(y=np.zeros((24, 1)))

    def prepare(split):
        asked.append([rows.index.tolist() for rows in split])
        return SimpleNamespace(train=train, encoder=encoder)

    def race(prepared, names, rounds):
        assert prepared.encoder is encoder
        asked.append((names, rounds))
        return RUNS

    monkeypatch.setattr(training_speed.datasets, "load", {"toy": data}.get)
    monkeypatch.setattr(training_speed.training, "prepare", prepare)
    monkeypatch.setattr(turns, "race", race)
    training_speed.main("toy", 3)
    split = training_speed.splits.random_rows(rows, 0)
    named = ["ours", "ours_jax", "deepctr", "pytorch", "floor"]
    assert asked == [[rows.index.tolist() for rows in split], (named, 3)]
    kept = results.read("training_speed", "toy")
    assert kept["settings"] == {
        "rounds": 3,
        "rows": 24,
        "split_seed": 0,
        **turns.SETTINGS,
    }
    assert kept["figures"] == training_speed.compared(RUNS, SPECS)
    first, said = capsys.readouterr().out.split("\n", 1)
    assert first.startswith("training_speed_toy 1/1: run toy 3 · ")
    assert said == f"{TABLE}{results.path('training_speed', 'toy')}\n"


@pytest.mark.parametrize("kept", KEPT, ids=["ml-100k", "ml-1m"])
def test_what_is_kept_was_measured_as_the_program_would(kept):
    settings, figures = kept["settings"], kept["figures"]
    for name, value in turns.SETTINGS.items():
        assert settings[name] == value
    assert settings["split_seed"] == training_speed.SPLIT_SEED
    assert [*figures] == [*speed_worker.CONTENDERS, "explained"]
    for name, count in figures["explained"].items():
        assert figures[name]["parameters_missing"] == count
