"""An exported predictor without Keras, TensorFlow or JAX: pandas and onnxruntime."""

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import targets, values
from helpers.fields import FieldEncoder
from helpers.targets import Target

FORMAT = 1
SEAL = "seal"  # entry of what a predictor is that tells whether the rest is unchanged
METADATA = "deepfm.predictor"  # entry of the file that holds fields and target
INPUT = "field_{}"  # name of an input, by the place of its field
AT_ONCE = 1024  # rows: what the network makes of them stays in a core's cache


class Scorer:
    """A file of Predictor.export() as a function of raw rows.

    Raises ValueError where the file is missing, damaged, or was not written so.
    """

    def __init__(self, path: str | Path):
        import onnxruntime

        path = Path(path).expanduser()
        if not path.is_file():
            raise ValueError(f"{path} is missing.")
        how = onnxruntime.SessionOptions()
        how.intra_op_num_threads = 1  # predict() shares rows, not products, among cores
        try:
            self._session = onnxruntime.InferenceSession(
                path, how, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime has one for each thing that is wrong
            raise ValueError(f"{path} is no ONNX file, or damaged: {error}") from error
        entries = self._session.get_modelmeta().custom_metadata_map
        if METADATA not in entries:
            raise ValueError(f"{path} is ONNX, but not of Predictor.export().")
        content, self.encoder, self.target = unsealed(entries[METADATA], path)
        self.fingerprint = content["fingerprint"]

    def predict(self, rows) -> pd.Series:
        """The answer for each raw row, as a Series with the index of the rows.

        rows: a DataFrame, a dict (one row) or a list of dicts; the column of the target
            is not needed
        Raises ValueError for rows that cannot be used, with column, value and rows.
        """
        table = values.table(rows, self.encoder.columns)
        x = self.encoder.transform(table)
        parts = [
            {
                INPUT.format(i): array[at : at + AT_ONCE]
                for i, array in enumerate(x.values())
            }
            for at in range(0, len(table), AT_ONCE)
        ]
        if len(parts) > 1:
            with ThreadPoolExecutor() as threads:
                raw = [*threads.map(self._raw, parts)]
        else:
            raw = [*map(self._raw, parts)]
        answers = [self.target.answer(part).mean(axis=1) for part in raw]
        answers = np.concatenate([np.zeros(0), *answers])
        return finite(pd.Series(answers, table.index, name=self.target.column))

    def _raw(self, feed: Mapping[str, np.ndarray]) -> np.ndarray:
        """(n, models), of encoded rows."""
        return self._session.run(None, feed)[0]


def finite(answers: pd.Series) -> pd.Series:
    """The answers. Raises ValueError, with rows, where one is NaN or infinite."""
    odd = ~np.isfinite(answers.to_numpy())
    do = "Numbers of these rows are too far from those of training."
    values.refuse(answers, odd, "has no finite answer", do)
    return answers


def sealed(content: Mapping) -> str:
    """Predictor.content() as text that unsealed() reads."""
    return json.dumps({**content, SEAL: _seal(content)})


def unsealed(text: str, path: Path) -> tuple[dict, FieldEncoder, Target]:
    """What sealed() wrote, and the fields and the target in it.

    Raises ValueError, naming the file, where it is damaged or of another version.
    """
    try:
        content = json.loads(text)
        found = content["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged: {error!r}. Write it again.") from error
    if found != FORMAT:
        raise ValueError(f"{path} has format {found}; this version reads {FORMAT}.")
    if content.pop(SEAL, None) != _seal(content):
        raise ValueError(f"{path} is damaged, or was changed by hand. Write it again.")
    try:
        encoder = FieldEncoder.from_json(json.dumps(content["encoder"]))
        return content, encoder, targets.restored(content["target"])
    except (ValueError, KeyError) as error:
        raise ValueError(
            f"{path} was written by another version: {error!r}. Write it again."
        ) from error


def _seal(content: Mapping) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
