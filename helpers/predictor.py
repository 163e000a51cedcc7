"""A model, its fields and its target as one thing: raw rows in, answers out."""

import glob
import hashlib
import inspect
import json
import os
import re
import shutil
import tempfile
from collections.abc import Hashable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from helpers import export, models, recommend, training, values
from helpers.fields import Field, FieldEncoder
from helpers.models import check_encoder
from helpers.serve import FORMAT, finite, sealed, unsealed
from helpers.splits import Split
from helpers.targets import Target

CONTENT, WEIGHTS = "predictor.json", "weights_{}.npz"
FINGERPRINT = "fingerprint"  # beside the weights in their file
PACKAGES = ("keras", "tensorflow", "jax", "numpy", "pandas")


class Predictor:
    """What training leaves: models, fields and a target that do not part.

    models: from models.deepfm(encoder.specs, **settings), one or several; answers are
        the mean of theirs
    encoder, target: that have learned
    settings: of deepfm(), for all models; those left out are its defaults of today

    Raises ValueError for no models, one that another encoder's rows trained, and
    settings that deepfm() does not have.
    """

    def __init__(
        self,
        models: Sequence[keras.Model],
        encoder: FieldEncoder,
        target: Target,
        settings: Mapping,
    ):
        if not models:
            raise ValueError("A predictor needs a model.")
        for model in models:
            check_encoder(model, encoder)
        self.models, self.encoder, self.target = [*models], encoder, target
        self.settings = _complete(settings)

    def __repr__(self) -> str:
        count = f"{len(self.models)} model" + "s" * (len(self.models) > 1)
        return f"Predictor({self.target!r} from {self.encoder.names}, {count})"

    @classmethod
    def train(
        cls,
        split: Split,
        fields: Mapping[Hashable, Field | str],
        target: Target,
        model: Mapping | None = None,
        fit: Mapping | None = None,
        seed: int = 0,
        members: int = 1,
    ) -> "Predictor":
        """Learn fields and target from split.train, and train on it.

        split: from splits; training stops early on split.valid where it has rows
        fields: as of FieldEncoder; target: Stars, Clicks, Amount or
            Chosen
        model: settings of models.deepfm(); fit: of training.fit()
        seed: of everything that is random: the same call gives the same predictor
        members: train so many models, whose mean is the answer

        Raises ValueError for rows that cannot be used, with column, value and rows, and
        for settings that are none; training.Diverged where a training does.
        """
        _check_settings(model or {}, fit or {})
        data = training.prepare(split, fields, target)
        return cls.trained(data, model, fit, seed, members)

    @classmethod
    def trained(
        cls,
        data: training.Prepared,
        model: Mapping | None = None,
        fit: Mapping | None = None,
        seed: int = 0,
        members: int = 1,
    ) -> "Predictor":
        """As train(), from rows that training.prepare() has encoded."""
        fit = fit or {}
        _check_settings(model or {}, fit)
        settings = _complete(model or {})
        seed, members = values.whole("seed", seed, 0), values.whole("members", members)
        valid = data.valid if data.valid.n_rows else None
        made = []
        for number in range(seed * members, (seed + 1) * members):
            new = training.build(data, settings, number)
            training.fit(new, data.train, valid, **fit, seed=number)
            made.append(new)
        return cls(made, data.encoder, data.target, settings)

    @property
    def fingerprint(self) -> str:
        """16 hex digits for what the weights mean: fields, target and settings."""
        meaning = [self.encoder.fingerprint, self.target.state(), self.settings]
        text = json.dumps(meaning, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def predict(self, rows) -> pd.Series:
        """The answer for each raw row, as a Series with the index of the rows.

        rows: a DataFrame, a dict (one row) or a list of dicts; the column of the target
            is not needed
        Raises ValueError for rows that cannot be used, with column, value and rows.
        """
        table = values.table(rows, self.encoder.columns)
        x = self.encoder.transform(table)
        answers = self._answers(x)[:, 0]
        return finite(pd.Series(answers, table.index, name=self.target.column))

    def evaluate(self, rows) -> dict[str, float]:
        """The scores of the answers, and the monitored one of the target's baseline.

        rows: as of predict(), with the column of the target. Raises ValueError as it.
        """
        table = values.table(rows, [*self.encoder.columns, *self.target.columns])
        encoded = training.encode(self.encoder, self.target, table)
        actual = self.target.decode(encoded.y)
        return self.target.scores_beside_baseline(self._answers(encoded.x), actual)

    def _answers(self, x: Mapping) -> np.ndarray:
        """(n, 1) float64"""
        return np.mean([training.predict(m, x, self.target) for m in self.models], 0)

    def top(
        self,
        users: pd.DataFrame,
        items: pd.DataFrame,
        *,
        user: Hashable,
        item: Hashable,
        n: int = 10,
        seen: pd.DataFrame | None = None,
    ) -> pd.DataFrame:
        """The n best items for each user: recommend.top() with what is here."""
        own = (self.models, self.encoder, self.target)
        return recommend.top(*own, users, items, user=user, item=item, n=n, seen=seen)

    def with_log(self, log: pd.DataFrame) -> "Predictor":
        """A new predictor whose histories are those of another log; this one stays.

        So newcomers are served without training. The weights are the same.
        Raises ValueError where no field has a history, and for rows it cannot use.
        """
        encoder = self.encoder.with_log(log)
        weights = [models.weights_of(model) for model in self.models]
        return Predictor._rebuilt(weights, encoder, self.target, self.settings)

    @classmethod
    def _rebuilt(
        cls, weights: list, encoder: FieldEncoder, target: Target, settings: Mapping
    ) -> "Predictor":
        made = []
        for own in weights:
            model = models.deepfm(encoder.specs, **{**settings, "seed": 0})
            models.set_lists(models.set_weights(model, own), encoder)
            model.fingerprint = encoder.fingerprint
            made.append(model)
        return cls(made, encoder, target, settings)

    def save(self, folder: str | Path) -> None:
        """Write a folder that load() reads, whole or not at all.

        It is written beside its place and then moved there; a predictor that was there
        is replaced by that move, not before. Raises ValueError where something else is,
        be it beside a predictor, and where the settings are not those of the models:
        load() could not build them.
        """
        folder = Path(folder).expanduser().resolve()
        self._check_models()
        _check_place(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            self._write(draft)
            _move(draft, folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _check_models(self) -> None:
        try:
            plain = models.deepfm(self.encoder.specs, **{**self.settings, "seed": 0})
            for model in self.models:
                models.set_weights(plain, models.weights_of(model))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"The settings {self.settings} are not those of the models: {error}"
            ) from error

    def _write(self, folder: Path) -> None:
        sums = []
        for i, model in enumerate(self.models):
            path = folder / WEIGHTS.format(i)
            np.savez(
                path, **models.weights_of(model), **{FINGERPRINT: self.fingerprint}
            )
            sums.append(_sha256(path))
        content = self.content() | {"weights": sums, "versions": _versions()}
        (folder / CONTENT).write_text(sealed(content), "utf-8")

    def content(self) -> dict:
        """All but the weights, as JSON can hold it."""
        return {
            "format": FORMAT,
            "fingerprint": self.fingerprint,
            "settings": self.settings,
            "target": self.target.state(),
            "encoder": json.loads(self.encoder.to_json()),
        }

    @classmethod
    def load(cls, folder: str | Path) -> "Predictor":
        """Read what save() wrote: data only, no code.

        Raises ValueError where something is missing, damaged, of another version, or
        belongs to another predictor.
        """
        folder = Path(folder).expanduser()
        content, encoder, target = unsealed(_text(folder), folder / CONTENT)
        weights = [
            _weights(folder / WEIGHTS.format(i), expected, content["fingerprint"])
            for i, expected in enumerate(content["weights"])
        ]
        try:
            found = cls._rebuilt(weights, encoder, target, content["settings"])
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{folder} was written by another version: {error}"
            ) from error
        if found.fingerprint != content["fingerprint"]:
            raise ValueError(
                f"{folder / CONTENT} was written by another version: its fields, "
                "target or settings mean something else now. Train it again."
            )
        return found

    def export(self, path: str | Path) -> None:
        """Write one ONNX file, which helpers.serve.Scorer reads without Keras.

        path: ends in .onnx; a file that is there is replaced
        It holds the models, the fields and the target. Needs tf2onnx and onnx. The file
        is written beside its place and then moved there. Raises ValueError for another
        ending, so that no other file is lost.
        """
        export.write(self, Path(path).expanduser())


def _settings_of(function, *own: str) -> dict:
    """The arguments of a function that have defaults, without `own`."""
    arguments = inspect.signature(function).parameters.values()
    settings = {a.name: a.default for a in arguments if a.default is not a.empty}
    return {name: settings[name] for name in settings if name not in own}


MODEL_SETTINGS = _settings_of(models.deepfm, "intercept", "seed")
FIT_SETTINGS = _settings_of(training.fit, "valid", "seed")


def _check_settings(model: Mapping, fit: Mapping) -> None:
    """Raise ValueError for what is no setting of deepfm() and of fit()."""
    both = (("model", model, MODEL_SETTINGS), ("fit", fit, FIT_SETTINGS))
    for name, given, known in both:
        if not isinstance(given, Mapping):
            raise ValueError(f"{name} is a dict of settings, not {given!r}.")
        if unknown := [*given.keys() - known.keys()]:
            raise ValueError(
                f"{name} has no settings {unknown}: they are {[*known]}. The target "
                "gives the intercept, seed= the seed."
            )


def _complete(settings: Mapping) -> dict:
    """All settings of deepfm(), as JSON can hold them."""
    _check_settings(settings, {})
    try:
        return json.loads(json.dumps({**MODEL_SETTINGS, **settings}, default=_python))
    except TypeError as error:
        raise ValueError(f"Settings that cannot be saved: {settings!r}.") from error


def _python(value):
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping) or not hasattr(value, "__iter__"):
        raise TypeError(value)
    return sorted(value) if isinstance(value, set | frozenset) else [*value]


def _check_place(folder: Path) -> None:
    """Raise ValueError where a save would destroy what is no predictor's."""
    if not folder.exists():
        return
    if not (folder / CONTENT).is_file():
        raise ValueError(f"{folder} is there and is no predictor: choose a new place.")
    ours = re.compile(rf"{re.escape(CONTENT)}|{WEIGHTS.format('[0-9]+')}")
    other = sorted(p.name for p in folder.iterdir() if not ours.fullmatch(p.name))
    if other:
        raise ValueError(
            f"{folder} holds {other} beside a predictor, which a save would delete: "
            "move them, or choose a new place."
        )


def _move(draft: Path, folder: Path) -> None:
    """Put the draft in the place of the folder. A folder there is kept until it is."""
    draft.chmod(0o755)  # a temporary folder is its owner's alone
    if not folder.exists():
        os.replace(draft, folder)
        return
    before = draft.with_name(f"{draft.name}-before")
    os.replace(folder, before)
    try:
        os.replace(draft, folder)
    except BaseException:
        os.replace(before, folder)
        raise
    shutil.rmtree(before, ignore_errors=True)


def _text(folder: Path) -> str:
    path = folder / CONTENT
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is damaged: {error}. Write it again.") from error
    except OSError as error:
        pattern = f".{glob.escape(folder.name)}-????????-before/{CONTENT}"
        kept = ""
        if before := [*folder.resolve().parent.glob(pattern)]:
            kept = f" A save was cut short; {before[0].parent} is what was here."
        raise ValueError(
            f"{path} is missing: {folder} is no predictor.{kept}"
        ) from error


def _weights(path: Path, expected: str, fingerprint: str) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise ValueError(f"{path} is missing. Save the predictor again.")
    if _sha256(path) != expected:
        try:
            with np.load(path, allow_pickle=False) as file:
                found = str(file[FINGERPRINT])
        except Exception:  # NumPy and zipfile have a dozen for a damaged file
            found = None
        if found not in (None, fingerprint):
            raise ValueError(
                f"{path} belongs to the predictor {found}, the fields and target "
                f"beside it to {fingerprint}: the same ids mean other values."
            )
        raise ValueError(f"{path} is damaged, or of another save. Save it again.")
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files if name != FINGERPRINT}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
