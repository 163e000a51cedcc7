"""Every exercise three ways: blank it is open, its solution holds, a slip fails.

A slip is an answer that a learner would give. The check's sentence must help then: the
table has a part of it. The cells run in this process, after Setup and the sections that
the exercise needs, on ml-100k.
"""

import re
from typing import NamedTuple

import pytest
from sections import NOTEBOOKS, as_a_reader, cells_of

BLANK = "answer = ..."
SOLUTION = re.compile(r"<summary>Solution</summary>.*?```python\n(.*?)```", re.S)


class Exercise(NamedTuple):
    """What an exercise needs, and its slips: code -> part of the sentence."""

    sections: tuple[str, ...]
    slips: dict[str, str]


# By notebook and number: every exercise of the course has a line here.
EXERCISES = {
    "00.1": Exercise(
        (),
        {
            "answer = 2 * (3 + 1 - 3)": "each once",
            "answer = 3 + 1 - 3 + 5 + 9 + 2": "none with itself",
        },
    ),
    "00.2": Exercise(
        ("Wide & Deep", "DeepFM"),
        {"answer = 0.5 * 0.4": "the network read the same vector"},
    ),
    "00.3": Exercise(
        ("What is predicted",),
        {
            'answer = "gender"': "it says as much",
            'answer = "occupation"': "it says as much",
        },
    ),
    "01.1": Exercise(
        (),
        {
            "answer = [4, 1]": "in the order of the values",
            "answer = [3, 0]": "1 is unknown",
        },
    ),
    "01.2": Exercise(
        ("One row a rating",),
        {
            "answer = (movies.genres.map(len) > 3).mean()": "not of the movies",
            "answer = 0.0": "at either end",
        },
    ),
    "01.3": Exercise(
        ("One row a rating", "Split first"),
        {'answer = Numeric(missing="value", intervals=4)': "follow the bend"},
    ),
    "02.1": Exercise(
        (),
        {
            "answer = (0.6 + 0.3 + 4 * 0.9) / 6": "over the two real genres",
            "answer = (0.6 + 0.3) / 6": "divided by two",
        },
    ),
    "02.2": Exercise(
        ("Input layers", "The mean of a list"),
        {
            "answer = np.sqrt((data.test.y**2).mean())": "clipped to the stars",
            "answer = data.test.y.std()": "it says about 0 everywhere",
        },
    ),
    "02.3": Exercise(
        (
            "Input layers",
            "The mean of a list",
            "MovieLens",
            "The same by ridge regression",
        ),
        {
            "answer = 0.01": "enough for values with few ratings",
            "answer = 50.0": "not too much",
        },
    ),
    "03.1": Exercise((), {"answer = [4 / 6, 4 / 4.25]": "each of its four look-ups"}),
    "03.2": Exercise(
        ("A weight for every pair", "From a loop to a layer"),
        {
            "def answer(users, films):\n"
            "    e = np.concatenate([users, films], axis=1)\n"
            "    return pairs_by_identity(e)": "none of its own side",
            "def answer(users, films):\n"
            "    return users.sum(axis=1) * films.sum(axis=1)": "shapes differ",
        },
    ),
    "03.3": Exercise(
        ("A weight for every pair", "MovieLens"),
        {'answer = ("genres", "age")': "no other pair moves the predictions more"},
    ),
    "04.1": Exercise(
        (),
        {
            "answer = 7 * 16 * 64 + 64 * 64 + 64": "and biases of two hidden layers",
            "answer = (7 * 16 + 1) * 64 + 65 * 64 + 65": "weights of the output",
        },
    ),
    "04.2": Exercise(
        ("One row of numbers", "A training loop"),
        {"answer = 1e-4": "with this rate two epochs end lower"},
    ),
    "04.3": Exercise(
        (),
        {
            "def answer(errors, patience):\n"
            "    return len(errors), int(np.argmin(errors)) + 1": "it stops when",
            "def answer(errors, patience):\n"
            "    epoch = next(i for i in range(9) if errors[i + 1] > errors[i])\n"
            "    return epoch + 1 + patience, epoch + 1": "the best epoch lies",
        },
    ),
    "08.1": Exercise(
        ("A metric by hand",),
        {
            "answer = gain[2] / gain[:10].sum()": "an ideal list of three hits",
            "answer = (1 / 3) / (1 + 1 / 2 + 1 / 3)": "by an ideal list",
        },
    ),
    "08.2": Exercise(
        ("A published table",),
        {
            "def answer(x):\n    return pure_svd(x)": "better lists than alone",
            "def answer(x):\n"
            "    return ease(x) + 10 * pure_svd(x)": "mixed with another model",
        },
    ),
    "08.3": Exercise(
        (),
        {
            "def answer(scores, genres, n):\n"
            "    return np.argsort(-scores)[:n].tolist()": "less its likeness",
            "def answer(scores, genres, n):\n"
            "    taken = [int(scores.argmax())]\n"
            "    while len(taken) < n:\n"
            "        worth = scores - (genres @ genres[taken].T).mean(axis=1)\n"
            "        taken.append(int(worth.argmax()))\n"
            "    return taken": "no film twice",
        },
    ),
    "09.1": Exercise(
        (),
        {
            "answer = 10 + 45": "w0",
            "answer = 1 + 10 + 10 * 10": "each pair once",
            "answer = 1 + 10 * 11": "i < j",
        },
    ),
    "09.2": Exercise(
        ("A prediction",),
        {
            "answer = 1.0": "not of the ratings",
            "answer = train.rating.mean()": "the mean of the model's outputs",
        },
    ),
    "09.3": Exercise(
        (),
        {
            "def answer(a, b, A, B):\n    return a @ b / 2": "the other's background",
            "def answer(a, b, A, B):\n    return (a - A.mean(0)) @ b": "who is first",
            "def answer(a, b, A, B):\n"
            "    return (a - A.mean(0)) @ (b + B.mean(0)) / 2": "a mean of products",
        },
    ),
    "05.1": Exercise(
        ("Three parts, one sum",),
        {
            "answer = 3 * 8 * 5 + 5 + 5 + 1": "no last constant",
            "answer = 60 * 8 + 3 * 8 * 5 + 5 + 5": "no table",
        },
    ),
    "05.2": Exercise(
        ("Three parts, one sum",),
        {
            'cut = models.part_models(model)\nanswer = training.evaluate(cut["deep"], '
            'data.valid)["RMSE"]': "two parts of the DeepFM",
            'answer = training.evaluate(model, data.valid)["RMSE"]': "two parts",
        },
    ),
    "05.3": Exercise(
        (),
        {
            "def answer(outputs):\n    whole = outputs.sum(axis=1)\n"
            "    return 1 - np.cov(outputs.T).sum(axis=1) / whole.var(ddof=1)": (
                "a share has one of them"
            ),
            "def answer(outputs):\n"
            "    return 1 - outputs.var(axis=0) / outputs.sum(axis=1).var()": (
                "both halves of a covariance are lost"
            ),
        },
    ),
    "06.1": Exercise(
        (),
        {
            "answer = (1 / 5 + 1 / 8) / (1 / 5)": "square root",
            "answer = np.sqrt(1 / 5 + 1 / 8)": "over the first",
        },
    ),
    "06.2": Exercise(
        (),
        {
            "answer = splits.unseen_users(ratings, SEED)": "none has a movie",
            "answer = splits.random_rows(ratings, SEED)": "none has a movie",
        },
    ),
    "06.3": Exercise(
        ("What a user has rated", "The same information, used most simply"),
        {
            "def answer(told, asked):\n    return mean_rating(asked)": "number to beat",
            "def answer(told, asked):\n    return line(told, asked)": "number to beat",
        },
    ),
    "07.1": Exercise(
        (),
        {
            "answer = 0.5 / 20": "not the probability",
            "answer = 20 / 21": "twenty times too high",
        },
    ),
    "07.2": Exercise(
        ("From stars to yes and no", "AUC"),
        {
            "answer = said / 2": "move users, not their rows",
            "answer = 1 - said": "GAUC as it was",
        },
    ),
    "07.3": Exercise(
        (),
        {
            "def answer(p, y):\n"
            '    share = pd.DataFrame({"p": p, "y": y}).groupby("p").y.mean()\n'
            "    gaps = share.index - share, share - y.mean()\n"
            "    return [(gap**2).mean() for gap in gaps]": "counts with its rows",
            "def answer(p, y):\n"
            "    return ((p - y) ** 2).mean(), y.mean() * (1 - y.mean())": "the share",
        },
    ),
    "10.1": Exercise(
        (),
        {
            "answer = 1.0": "share each score",
            "answer = 0.0": "share each score",
        },
    ),
    "10.2": Exercise(
        (),
        {
            'answer = Numeric("capital_gain", missing="mean")': "missing as a value",
            'answer = Numeric("capital_gain", missing="value", intervals=2)': (
                "a cut between the amounts"
            ),
        },
    ),
    "10.3": Exercise(
        (),
        {
            "def answer(a, b):\n"
            "    return b.groupby(a).nunique().max() == 1": "not the other way round",
            "def answer(a, b):\n    return a.nunique() == b.nunique()": "decides its",
        },
    ),
    "11.1": Exercise(
        (),
        {
            "answer = (3 + 5) / 2": "counts by its rows",
            "answer = 10 * 3 + 30 * 5": "counts by its rows",
        },
    ),
    "11.2": Exercise(
        (),
        {
            "answer = 2**20": "nine of ten are alone",
            "answer = 10**7": "a power of two",
            "answer = 2**27": "with half as many ids they are not",
        },
    ),
    "11.3": Exercise(
        (),
        {
            "def answer(pieces, worker, workers, seed):\n"
            "    order = np.random.default_rng(seed + worker).permutation(pieces)\n"
            "    return order[worker::workers]": "by one order that all workers know",
            "def answer(pieces, worker, workers, seed):\n"
            "    return np.arange(pieces)[worker::workers]": "a new one by seed",
            "def answer(pieces, worker, workers, seed):\n"
            "    size = pieces // workers\n"
            "    order = np.random.default_rng(seed).permutation(pieces)\n"
            "    return order[worker * size : (worker + 1) * size]": "all pieces once",
        },
    ),
}


def exercises(number: str) -> dict[str, tuple[str, str]]:
    """Name such as "00.1" -> (its cell, its solution), of one notebook."""
    cells = cells_of(number)
    asked = [
        (cell["source"], after["source"])
        for cell, after in zip(cells, cells[1:], strict=False)
        if cell["source"].startswith(BLANK)
    ]
    return {
        f"{number}.{i}": (source, "".join(SOLUTION.findall(folded)))
        for i, (source, folded) in enumerate(asked, start=1)
    }


FOUND = {
    name: exercise
    for path in sorted(NOTEBOOKS.glob("*.ipynb"))
    for name, exercise in exercises(path.name[:2]).items()
}


@pytest.fixture(scope="module")
def ready():
    """Exercise's name -> the names that its sections define, run once."""
    ran = {}
    with as_a_reader() as run:

        def names(name: str) -> dict:
            wanted = (name[:2], *EXERCISES[name].sections)
            if wanted not in ran:
                ran[wanted] = run(wanted)
            return {**ran[wanted]}

        yield names


def answered(name: str, answer: str, names: dict) -> None:
    """Run the exercise's cell with this code in place of `answer = ...`."""
    source, _ = FOUND[name]
    exec(compile(source.replace(BLANK, answer, 1), name, "exec"), names)


def test_the_table_names_every_exercise():
    assert sorted(FOUND) == sorted(EXERCISES)


def test_no_two_exercises_are_the_same():
    assert len({source for source, _ in FOUND.values()}) == len(FOUND)


@pytest.mark.parametrize("name", EXERCISES)
def test_a_blank_exercise_is_open(name, ready, capsys):
    answered(name, BLANK, ready(name))
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("open: ")


@pytest.mark.parametrize("name", EXERCISES)
def test_the_solution_holds(name, ready, capsys):
    answered(name, FOUND[name][1], ready(name))
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("holds: ")


@pytest.mark.parametrize("name", EXERCISES)
def test_a_slip_fails_with_a_sentence_that_helps(name, ready):
    assert EXERCISES[name].slips, f"{name} has no slip"
    for slip, helps in EXERCISES[name].slips.items():
        with pytest.raises(AssertionError, match=r"^fails: ") as found:
            answered(name, slip, ready(name))
        assert helps in str(found.value)
