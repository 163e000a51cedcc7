"""A search that every model gets alike: so many trials, one rule, one file.

Settings are drawn by Optuna's tree-structured Parzen estimator (Bergstra et al. 2011,
section 4), the first FIRST at random, and judged by the log loss of the validation
rows. A trial that is behind the median of those before it is pruned (Golovin et al.
2017, section 3.2.2). Test rows take no part: what was chosen is asked about them once.
"""

import copy
import hashlib
import json
from collections.abc import Hashable, Mapping
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
from sqlalchemy import URL
from sqlalchemy.exc import DatabaseError

from helpers import probabilities, training, values
from helpers.contenders import Answers, Contender
from helpers.fields import Field, FieldEncoder
from helpers.splits import Split
from helpers.targets import Clicks

FIRST = 8  # trials at random, before the others learn from them
WARM_UP = 3  # reports of a trial before it can be pruned
OF = "of"  # what a search is about, among the notes of its study
DONE = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)


def search(
    name: str,
    contender: Contender,
    split: Split,
    fields: Mapping[Hashable, Field | str],
    target: Clicks,
    *,
    trials: int,
    seed: int,
    path: str | Path,
) -> optuna.Study:
    """So many trials of a contender, or those that are left of them.

    name: of the search in the file `path`, an SQLite database that is made where it is
        not there. What was interrupted goes on after the last trial that had ended, and
        comes to the trials of one that was not.
    split: training rows train, validation rows judge. Its test rows are not read.
    seed: of what is drawn, and of each training

    Raises ValueError where the file has a search of that name about something else, or
    is no such database, and for training rows with one answer or no validation rows.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # what fails is raised
    trials, seed = values.whole("trials", trials), values.whole("seed", seed, least=0)
    split = Split(split.train, split.valid, split.test.iloc[:0])
    subject = _subject(contender, split, fields, target, seed)
    study = _study(name, Path(path).expanduser().resolve())
    _check_subject(study, subject)
    for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)  # it was killed

    def objective(trial: optuna.Trial) -> float:
        def report(step: int, loss: float) -> None:
            trial.report(loss, step)
            if trial.should_prune():
                raise optuna.TrialPruned

        settings = contender.draw(trial)
        try:
            answers = contender.train(split, fields, target, settings, seed, report)
        except training.Diverged as error:
            raise optuna.TrialPruned from error
        return log_loss(answers, split.valid, target)

    while (done := len(study.get_trials(deepcopy=False, states=DONE))) < trials:
        drawn = np.random.SeedSequence([seed, done]).generate_state(1)
        study.sampler = optuna.samplers.TPESampler(
            n_startup_trials=FIRST, seed=int(drawn[0])
        )
        study.optimize(objective, n_trials=1)
    return study


def chosen(
    contender: Contender,
    study: optuna.Study,
    split: Split,
    fields: Mapping[Hashable, Field | str],
    target: Clicks,
    seed: int,
) -> tuple[dict, Answers]:
    """The settings with the lowest validation log loss, and their model, trained again.

    seed: that of the search, so that the model is the one that was chosen
    Raises ValueError where all trials were pruned.
    """
    if not study.get_trials(deepcopy=False, states=(DONE[0],)):
        raise ValueError("No trial came to its end, so none can be chosen.")
    settings = contender.draw(optuna.trial.FixedTrial(study.best_params))
    split = Split(split.train, split.valid, split.test.iloc[:0])
    return settings, contender.train(
        split, fields, target, settings, seed, lambda *_: None
    )


def log_loss(answers: Answers, rows: pd.DataFrame, target: Clicks) -> float:
    """Of answers for raw rows, against their own column of the target."""
    return probabilities.log_loss(answers(rows), target.actual(rows))


def seconds(study: optuna.Study) -> list[float]:
    """Of each trial that ended, pruned ones included."""
    ended = study.get_trials(deepcopy=False, states=DONE)
    return [trial.duration.total_seconds() for trial in ended]


def _study(name: str, path: Path) -> optuna.Study:
    """The study of that name in the file. Raises ValueError for a file that is none."""
    url = URL.create("sqlite", database=str(path))  # a path may have a question mark
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return optuna.create_study(
            storage=url.render_as_string(),
            study_name=name,
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(FIRST // 2, WARM_UP),
        )
    except DatabaseError as error:
        raise ValueError(
            f"{path} is no database of searches, or cannot be written: {error.orig}. "
            "Take another path."
        ) from error


def _subject(
    contender: Contender, split: Split, fields: Mapping, target: Clicks, seed: int
) -> str:
    """16 hex digits for what is searched: settings, rows, fields, target and seed."""
    if not len(split.valid):
        raise ValueError("There are no validation rows to judge by.")
    copy.copy(target).fit(split.train)
    encoder = FieldEncoder(fields).fit(split.train)
    digest = hashlib.sha256()
    for part in split[:2]:
        y = target.actual(part)
        for array in (y, *encoder.transform(part).values()):
            digest.update(repr(array.shape).encode() + array.tobytes())
    rows = [[str(label) for label in part.index] for part in split[:2]]
    lists = [encoder.fingerprint, encoder.lists_fingerprint]
    drawn = [_drawn(contender), repr(fields), repr(target), seed]
    digest.update(json.dumps([rows, lists, drawn]).encode())
    return digest.hexdigest()[:16]


def _drawn(contender: Contender) -> str:
    """What a contender can set, and one example: it tells it from others."""
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    return repr([contender.draw(trial), trial.distributions])


def _check_subject(study: optuna.Study, subject: str) -> None:
    found = study.user_attrs.get(OF)
    if found not in (None, subject):
        raise ValueError(
            f"The file has a search {study.study_name!r} with other rows, fields, "
            "target, seed or settings: take another name or another file."
        )
    study.set_user_attr(OF, subject)
