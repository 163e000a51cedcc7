"""Training by several processes at once, on one machine or many: data parallel, on Ray.

Each worker has the whole model and its share of every batch. The mean of their
gradients is the gradient of the batch, so that all take the step that one process would
take. Keras' DataParallel does this on its JAX backend, whatever backend asks for it.
"""

import contextlib
import functools
import hashlib
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

import keras
import numpy as np

from helpers import checkpoints, feeding, models, training, values
from helpers.fields import FieldEncoder
from helpers.optimizers import Adam
from helpers.processes import started
from helpers.progress import Curves, ProgressLine
from helpers.streamed import Streamed
from helpers.targets import Target
from helpers.training import Encoded

JAX = {"KERAS_BACKEND": "jax"}  # the only backend whose processes train together
PATIENCE = 20  # seconds for the others to be heard where one of them has failed


class WorkerLost(RuntimeError):
    """A worker that ended, or could not be reached, before its work was done."""


class Stream(Protocol):
    """The global batches of each epoch, the same in every process that asks.

    An object that pickle can send: each worker has its own copy, and takes its share.
    """

    target: Target
    encoder: FieldEncoder | None

    def __len__(self) -> int:
        """Batches an epoch."""

    def batches(self, epoch: int) -> Iterator[tuple[Mapping, np.ndarray]]:
        """x and y of each batch of an epoch, counted from 0, as in Encoded."""


class Rows:
    """Rows as a Stream, in the batches that training.fit() makes of them.

    rows: encoded ones, or of Parquet files, which all workers must see under one path.
        Each worker reads all of them, and takes its share of every batch.
    buffer: of training.fit()
    """

    def __init__(
        self,
        rows: Encoded | Streamed,
        batch_size: int = 2048,
        seed: int = 0,
        buffer: int = feeding.BUFFER,
    ):
        self.target, self.encoder = rows.target, rows.encoder
        if isinstance(rows, Encoded):
            rows = rows._replace(rows=None)  # the raw ones stay here
        self.rows, self.batch_size, self.seed = rows, batch_size, seed
        self.buffer = buffer

    def __len__(self) -> int:
        return -(-self.rows.n_rows // self.batch_size)

    def batches(self, epoch: int) -> Iterator[tuple[Mapping, np.ndarray]]:
        """x and y of each batch of an epoch."""
        found = self._feed()
        found.begin(epoch)
        return (found[step] for step in range(len(found)))

    def _feed(self) -> feeding.Batches | feeding.Pieces:
        rows, size, seed = self.rows, self.batch_size, self.seed
        if isinstance(rows, Encoded):
            return feeding.Batches(rows.x, rows.y, size, seed)
        count = rows.n_pieces, rows.n_rows
        return feeding.Pieces(rows.piece, *count, size, self.buffer, seed)


class Epoch(NamedTuple):
    """What one worker tells of an epoch.

    score: of the training rows, on the scale of the loss
    sent: bytes that the worker has written, mostly to the others; None where the
        system does not count them
    weights: of the model, in its order; state: all that training goes on from
    """

    score: float
    seconds: float
    sent: int | None
    weights: list[np.ndarray]
    state: list[np.ndarray]


class Task(NamedTuple):
    """All that a worker needs: a model by its configuration, and how to train it."""

    model: dict
    weights: list[np.ndarray]
    stream: Stream
    optimizer: Callable[..., keras.optimizers.Optimizer]
    rate: Mapping
    seed: int


class Worker:
    """One of `of` processes that train one model together."""

    def __init__(self, rank: int, of: int):
        self.rank, self.of = rank, of

    def place(self) -> str:
        """Where this worker can be met by the others: host:port."""
        import ray

        with socket.socket() as free:
            free.bind(("", 0))
            return f"{ray.util.get_node_ip_address()}:{free.getsockname()[1]}"

    def meet(self, place: str) -> None:
        """Join the others. Comes before anything else that uses Keras."""
        keras.utils.set_random_seed(0)  # or the processes would agree on one
        keras.distribution.initialize(place, self.of, self.rank)
        alike = keras.distribution.DataParallel(auto_shard_dataset=False)
        keras.distribution.set_distribution(alike)

    def prepare(self, task: Task, state: list[np.ndarray] | None) -> None:
        """Build the model. state: of a checkpoint, where training goes on from one."""
        self.stream = task.stream
        self.model = keras.saving.deserialize_keras_object(task.model)
        self.model.set_weights(task.weights)
        loss, metric, how = training.LOSSES[task.stream.target.loss]
        self.model.compile(
            task.optimizer(training.rate_of(**task.rate)),
            loss=loss(reduction="mean_with_sample_weight", **how),
            weighted_metrics=[metric(name="score", **how)],
            steps_per_execution=50,
        )
        training.seed_dropout(self.model, task.seed)
        self.model.optimizer.build(self.model.trainable_variables)
        if state is not None:
            for variable, value in zip(self._variables(), state, strict=True):
                variable.assign(value)

    def epoch(self, number: int) -> Epoch:
        """Train for one epoch. Only the first worker gives weights and state."""
        start, before = time.perf_counter(), sent()
        batches = (self._share(*batch) for batch in self.stream.batches(number))
        how = {"steps_per_epoch": len(self.stream), "verbose": 0, "shuffle": False}
        logs = self.model.fit(batches, **how).history
        seconds, after = time.perf_counter() - start, sent()
        weights, state = [], []
        if self.rank == 0:
            weights = self.model.get_weights()
            state = [keras.ops.convert_to_numpy(v) for v in self._variables()]
        written = None if before is None else after - before
        return Epoch(float(logs["score"][0]), seconds, written, weights, state)

    def _variables(self) -> list:
        """The weights, the seeds of dropout, and what the optimizer keeps."""
        model = self.model
        own = [*model.trainable_variables, *model.non_trainable_variables]
        return [*own, *model.optimizer.variables]

    def _share(self, x: Mapping, y: np.ndarray) -> tuple:
        """This worker's part of a batch, and the weight of each of its rows.

        Shares must be equal. A batch that cannot be cut so, as the last one, goes to
        all workers whole: the mean over `of` copies is the mean over one.
        """
        training.check_fields(self.model, x)
        x, rows, weight = training.inputs_of(self.model, x), len(y), 1.0
        here = slice(self.rank * rows // self.of, (self.rank + 1) * rows // self.of)
        if rows % self.of:
            here, weight = slice(None), 1 / self.of
        y = y[here]
        x = {name: array[here] for name, array in x.items()}
        return x, y, np.full(len(y), weight, "float32")


def sent() -> int | None:
    """Bytes that this process has written so far; None where nobody counts them."""
    try:
        lines = Path("/proc/self/io").read_text("utf-8").splitlines()
    except OSError:
        return None
    return int(dict(line.split(": ") for line in lines)["wchar"])


def fit(
    model: keras.Model,
    train: Encoded | Streamed | Stream,
    valid: Encoded | Streamed | None = None,
    *,
    workers: int = 2,
    address: str | None = None,
    epochs: int = 30,
    batch_size: int = 2048,
    learning_rate: float = 1e-3,
    decay: bool = False,
    optimizer: Callable[..., keras.optimizers.Optimizer] = Adam,
    patience: int = 2,
    seed: int = 0,
    buffer: int = feeding.BUFFER,
    checkpoint: str | Path | None = None,
    watch: Callable[[Epoch], None] = lambda epoch: None,
) -> Curves:
    """As training.fit(), by several processes; the weights come back into the model.

    train: encoded rows, in memory or of Parquet files, or a Stream, whose batches are
        then taken as they are
    workers: processes that share each batch. With one and no address it is this
        process, on its own backend and without Ray.
    address: of a cluster of Ray that is there, host:port or "auto"; where None, or
        "local", Ray is started here, and ended with the training
    checkpoint: a path ending in .npz that holds the training after its last whole
        epoch. The same call goes on from it, with any number of workers.
    watch: called with what the first worker tells of each epoch
    The rest is as of training.fit(): the same rows, seeds and settings give the same
    weights, but for the rounding of sums. Dropout draws other numbers.

    `optimizer` is one that pickle can send, and takes no mean of weights (use_ema).
    On JAX gradients are dense: RowAdam is Adam there, and each step exchanges the
    gradients of all weights.

    Raises ValueError as training.fit() does, for a target that draws items, a cluster
    with too few processors, and a checkpoint of another training; ImportError without
    Ray; WorkerLost where a worker ends too soon. Then, and after an interrupt or
    training.Diverged, the checkpoint stays, and the model has the weights of its best
    epoch, without `valid` of its last whole one, or those that it came with.
    """
    epochs, workers = values.whole("epochs", epochs), values.whole("workers", workers)
    patience = values.whole("patience", patience, least=0)
    stream = _stream(model, train, batch_size, seed, buffer)
    if valid is not None:
        training.check(model, valid)
    steps = epochs * len(stream) if decay else None
    rate = {"learning_rate": learning_rate, "steps": steps}
    if optimizer(training.rate_of(**rate)).use_ema:
        raise ValueError(
            "use_ema takes its mean where training ends: use training.fit."
        )
    config = keras.saving.serialize_keras_object(model)
    config.pop("compile_config", None)
    task = Task(config, model.get_weights(), stream, optimizer, rate, seed)
    run = _Run(model, task, valid, epochs, patience, checkpoint)
    with _team(workers, address) as ask:
        run.go(ask, watch)
    model.fingerprint = stream.encoder and stream.encoder.fingerprint
    return run.line.curves()


def _stream(model: keras.Model, train, batch_size, seed, buffer) -> Stream:
    """Encoded rows as a Stream; one already as it is."""
    if train.target.negatives:
        raise ValueError(
            f"{train.target!r} draws items beside each row: use training.fit."
        )
    if isinstance(train, Encoded | Streamed):
        training.check(model, train)
        batch_size = values.whole("batch_size", batch_size)
        seed = values.whole("seed", seed, least=0)
        return Rows(train, batch_size, seed, values.whole("buffer", buffer))
    if train.encoder is not None:
        models.check_encoder(model, train.encoder)
    return train


class _Run:
    """A training as the process sees that asks for it."""

    def __init__(self, model, task: Task, valid, epochs: int, patience: int, path):
        self.model, self.task, self.valid = model, task, valid
        self.epochs, self.patience = epochs, patience
        self.line = ProgressLine(epochs, task.stream.target.monitor)
        self.best = task.weights  # of the best epoch, or of the last without `valid`
        self.state = None
        self.path = path and _path(path)
        self.meaning = _meaning(task) if self.path else ""
        if self.path and (found := checkpoints.read(self.path, self.meaning)):
            numbers, arrays = found
            self.line.train, self.line.valid = numbers["train"], numbers["valid"]
            self.best, self.state = arrays["best"], arrays["state"]

    @property
    def ended(self) -> bool:
        curves = self.line.curves()
        late = len(curves.valid) - curves.best_epoch
        stopped = bool(curves.valid) and late > 0 and late >= self.patience
        return stopped or len(curves.train) >= self.epochs

    def go(self, ask: Callable, watch: Callable[[Epoch], None]) -> None:
        """Train to the end, and leave the best weights in the model, whatever comes."""
        try:
            if not self.ended:
                ask("prepare", self.task, self.state)
            self.line.on_train_begin()
            while not self.ended:
                first, *_ = ask("epoch", len(self.line.train))
                self.take(first)
                watch(first)
            self.line.on_train_end()
        except WorkerLost as error:
            raise WorkerLost(f"{error} {self._kept()}") from error.__cause__
        finally:
            self.model.set_weights(self.best)

    def take(self, found: Epoch) -> None:
        """Judge the weights after an epoch, and keep them."""
        target, number = self.task.stream.target, len(self.line.train)
        logs = {"score": found.score * target.unit}
        what = f"{target.monitor} of the training rows"
        training.check_finite(logs["score"], what, number)
        for weight, value in zip(self.model.weights, found.weights, strict=True):
            training.check_finite(value, f"weight {weight.path}", number)
        self.model.set_weights(found.weights)
        if self.valid is not None:
            found_scores = training.evaluate(self.model, self.valid)
            logs["val_score"] = found_scores[target.monitor]
        self.line.on_epoch_end(number, logs)
        if self.valid is None or self.line.curves().best_epoch == number + 1:
            self.best = found.weights
        if self.path:
            numbers = {"train": self.line.train, "valid": self.line.valid}
            arrays = {"best": self.best, "state": found.state}
            checkpoints.write(self.path, self.meaning, numbers, arrays)

    def _kept(self) -> str:
        done = len(self.line.train)
        if self.path and done:
            return f"{self.path} holds {done} epochs: the same call goes on from there."
        return "Nothing was kept: give a checkpoint, and the same call goes on from it."


def _path(path: str | Path) -> Path:
    path = Path(path).expanduser().resolve()
    if path.suffix != ".npz":
        raise ValueError(f"{path}: the name of a checkpoint ends in .npz.")
    return path


def _meaning(task: Task) -> str:
    """16 hex digits for all that a training depends on but its first weights.

    Of rows of files their numbers count, not their values.
    """
    stream = task.stream
    fields = stream.encoder and stream.encoder.fingerprint
    optimizer = getattr(task.optimizer, "__name__", repr(task.optimizer))
    about = [task.model, optimizer, task.rate, task.seed, len(stream), fields]
    about += [stream.target.state(), *_rows_meant(stream)]
    text = json.dumps(about, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _rows_meant(stream: Stream) -> list:
    """What tells the rows of a stream, and their batches, from others."""
    if not isinstance(stream, Rows):
        return []
    rows = stream.rows
    if isinstance(rows, Streamed):
        groups = [(group.path.name, group.rows) for group in rows.files.groups]
        return [stream.batch_size, stream.buffer, groups]
    digest = hashlib.sha256()
    for array in (rows.y, *rows.x.values()):
        digest.update(repr(array.shape).encode() + array.tobytes())
    return [stream.batch_size, digest.hexdigest()]


@contextlib.contextmanager
def _team(workers: int, address: str | None) -> Iterator[Callable]:
    """What asks all workers, here or elsewhere: method, arguments -> their answers."""
    if workers == 1 and address is None:
        alone = Worker(0, 1)
        yield lambda method, *args: [getattr(alone, method)(*args)]
        return
    with started(address, workers) as ray:
        remote = ray.remote(Worker).options(
            num_cpus=1,
            max_restarts=0,
            scheduling_strategy="SPREAD",
            runtime_env={"env_vars": JAX},
        )
        actors = [remote.remote(rank, workers) for rank in range(workers)]
        try:
            if workers > 1:
                (place,) = _ask(ray, actors[:1], "place")
                _ask(ray, actors, "meet", place)
            yield functools.partial(_ask, ray, actors)
        finally:
            for actor in actors:
                ray.kill(actor)


def _ask(ray, actors: list, method: str, *args) -> list:
    """The answers of all actors. Raises as soon as one of them fails."""
    args = [ray.put(value) for value in args]  # once for all on a machine
    waiting = [getattr(actor, method).remote(*args) for actor in actors]
    asked = [*waiting]
    while waiting:
        (done,), waiting = ray.wait(waiting)
        try:
            ray.get(done)
        except ray.exceptions.RayTaskError as error:
            # Where one is lost, the others fail by that, and may be heard first.
            late, _ = ray.wait(waiting, num_returns=len(waiting), timeout=PATIENCE)
            for other in late:
                with contextlib.suppress(ray.exceptions.RayTaskError):
                    _get(ray, other, asked)
            raise error.cause from None
        except ray.exceptions.RayActorError:
            _get(ray, done, asked)
    return ray.get(asked)


def _get(ray, answer, asked: list):
    try:
        return ray.get(answer)
    except ray.exceptions.RayActorError as error:
        number = asked.index(answer) + 1
        raise WorkerLost(f"Worker {number} of {len(asked)} was lost.") from error


def gradients(model: keras.Model, x: Mapping) -> tuple[int, int]:
    """Bytes of the gradients of a batch: of all weights, and of the rows looked up.

    x: of the batch, as in Encoded
    The first is what workers exchange a step. The second is what they could: of a table
    with an input of its own only the rows of its ids, and the ids; all other weights.
    """
    x, number = training.inputs_of(model, x), 4  # bytes of a float32 or an int32
    every = sum(int(np.prod(w.shape)) for w in model.trainable_weights) * number
    spared = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Embedding) and layer.input.name in x:
            touched = len(np.unique(x[layer.input.name]))
            rows, k = layer.input_dim, layer.output_dim
            spared += (rows * k - touched * (k + 1)) * number
    return every, every - spared
