"""The lines and the figure of README, from a few made-up results."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from benchmarks import accuracy, figures, growth, results
from helpers import comparisons


def found(values: list[float], ensemble=None) -> dict:
    members = 3 if ensemble else 1
    rmse = {str(seed): [value] * members for seed, value in enumerate(values)}
    made = {"one_model": {"values": values}, "rmse": rmse}
    made |= {"at_edge": [], "tried": ["something"]}
    return made | ({"ensemble": {"values": ensemble}} if ensemble else {})


SMALL = {
    "ours": found([0.5, 0.8], [0.5, 0.7]),
    "theirs": found([0.9, 1.1]),
    "others": found([0.72, 0.74]),
}
LARGE = {"ours": found([0.4], [0.3]), "theirs": found([0.8])}
SPEED = {
    "deepctr": {"times_ours": {"median": 1.234}, "times_ours_jax": {"median": 2.345}},
    "pytorch": {"times_ours": {"median": 3.456}, "times_ours_jax": {"median": 4.567}},
    "floor": {"ours_times_floor": {"median": 5.678}},
}
SCORING = {
    "FM": {"all_users": {"median": 0.213}, "implicit": {"median": 0.34}},
    "no histories": {
        "one_user": {"median": 0.01251},
        "all_users": {"median": 4.56},
        "times_as_fast": {"median": 3.21},
    },
    "four histories": {
        "all_users": {"median": 9.12},
        "times_as_fast": {"median": 5.4},
    },
}
BY_LISTS = {
    "most popular": {"nDCG, whole ideal": 0.13, "coverage": 0.02},
    "PureSVD": {"nDCG, whole ideal": 0.27, "coverage": 0.2},
    "EASE": {"nDCG, whole ideal": 0.29, "coverage": 0.1},
    "ours": {
        "members": [
            {"nDCG, whole ideal": 0.28, "coverage": 0.3},
            {"nDCG, whole ideal": 0.3, "coverage": 0.5},
        ],
        "means": [
            {"nDCG, whole ideal": 0.28, "coverage": 0.3},
            {"nDCG, whole ideal": 0.31, "coverage": 0.25},
        ],
    },
}
GROWTH = {
    "rows": {
        "10": {"encode": 1.0, "epoch": 2.0, "peak_gib": 3.0},
        "100": {"encode": 1.5, "epoch": 2.5, "peak_gib": 3.5},
        "1000": {"encode": 4.4, "epoch": 5.6, "peak_gib": 6.66},
        "slope_encode": 0.111,
        "slope_epoch": 0.222,
        "slope_peak_gib": 0.333,
    },
    "ids": {
        "keras.Adam": {
            "20": {"median": 1.0},
            "200": {"median": 1.5},
            "2000": {"median": 7.0},
            "slope": 1.234,
            "last_by_first": 185.6,
        },
        "Adam": {
            "20": {"median": 2.0},
            "200": {"median": 2.5},
            "2000": {"median": 8.0},
            "slope": 0.567,
            "last_by_first": 90.1,
        },
        "RowAdam": {
            "20": {"median": 3.0},
            "200": {"median": 3.5},
            "2000": {"median": 9.0},
            "slope": 0.089,
            "last_by_first": 1.28,
        },
    },
}
# theirs - ours: 0.4 and 0.3, sd 0.0707; others - ours: 0.22 and -0.06, sd 0.198;
# se = sd · sqrt(1/2 + 1/9), and 12.706 is the 0.975 quantile of t with one degree
TABLE = """\
| one model | ml-100k | minus *ours* | ml-1m |
|---|---|---|---|
| ours | 0.6500 |  | 0.4000 |
| others | 0.7300 | +0.0800 ± 1.9666, not shown | not measured |
| theirs | 1.0000 | +0.3500 ± 0.7024, not shown | 0.8000 |

| ensemble | ml-100k | ml-1m |
|---|---|---|
| ours, mean of 3 | 0.6000 | 0.3000 |
"""
EPOCH = (
    "- An epoch of {} takes DeepCTR 1.23 times and a plain PyTorch DeepFM 3.46 times "
    "as long as ours, 2.35 and 4.57 times as long as ours with `KERAS_BACKEND=jax`; "
    "ours takes 5.7 times as long as its gathers and matrix products alone, in NumPy."
)
TOP = (
    "- The top 10 of all movies of {}: 13 ms for one user, 4.6 s for all, 3.2 times as "
    "fast as every pair through the model; with histories 9.1 s, 5.4 times; an FM "
    "0.21 s, where a product of as many factors takes `implicit` 0.34 s."
)
GROWING = [
    "- Ten million rows take 4 s to encode, 6 s an epoch and 6.7 GiB at peak.",
    "- A step with ten million ids costs Keras' Adam 186 times, ours 90 times and "
    "RowAdam 1.3 times a step with ten thousand.",
]


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    """Results of two sets for what was made up, beside those of the course."""
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    monkeypatch.setattr(growth, "ROWS", [10, 100, 1000])
    monkeypatch.setattr(growth, "IDS", [20, 200, 2000])
    for name in ("ours", "theirs", "others"):
        monkeypatch.setitem(accuracy.CONTENDERS, name, accuracy.Contender(None))
    results.write("accuracy", "ml-100k", SMALL)
    results.write("growth", "synthetic", GROWTH)


def both_sets() -> None:
    results.write("accuracy", "ml-1m", LARGE)
    for name in ("ml-100k", "ml-1m"):
        results.write("training_speed", name, SPEED)
        results.write("scoring", name, SCORING)


def test_rows_are_sorted_by_their_means_and_ensembles_say_of_how_many():
    singles, ensembles = figures.scores_of({"figures": SMALL})
    assert [(name, [*values]) for name, values in singles.items()] == [
        ("theirs", [0.9, 1.1]),
        ("others", [0.72, 0.74]),
        ("ours", [0.5, 0.8]),
    ]
    assert [(name, [*values]) for name, values in ensembles.items()] == [
        ("ours, mean of 3", [0.5, 0.7]),
    ]
    assert [*singles["ours"].index] == ["0", "1"]


def test_the_mean_decides_however_many_splits_there_are():
    made = {"few": found([0.9]), "many": found([0.1, 0.2, 0.3, 0.6])}
    assert [*figures.scores_of({"figures": made})[0]] == ["few", "many"]


NOISE = np.array([0.001, -0.001, 0.002, -0.002, 0.0])
FIVE = {
    "bad": pd.Series(0.9 - NOISE[::-1]),
    "ours, no histories": pd.Series(0.8 + NOISE),
    "far": pd.Series([0.7, 0.701, 0.699, 0.7, 0.75]),
    "ours": pd.Series(np.full(5, 0.6)),
}


def test_each_pair_with_one_of_ours_is_judged_once():
    judged = figures.judged(FIVE)
    assert [*judged.index] == [
        ("bad", "ours"),
        ("ours, no histories", "ours"),
        ("far", "ours"),
        ("bad", "ours, no histories"),
        ("far", "ours, no histories"),
    ]
    alone = comparisons.compare(FIVE, [*judged.index], test_to_train=1 / 9)
    pd.testing.assert_frame_equal(judged, alone)
    assert figures.judged({"bad": FIVE["bad"]}) is None
    assert figures.judged({"ours, mean of 5": FIVE["bad"]}) is None


def test_a_cell_says_by_how_much_what_is_shown_and_which_split_lies_apart():
    judged = figures.judged(FIVE)
    assert figures.difference(judged, "ours, no histories", "ours") == (
        "+0.2000 ± 0.0024, worse"
    )
    assert figures.difference(judged, "far", "ours") == (
        "+0.1100 ± 0.0346, worse; split 4 is outlying"
    )
    assert figures.difference(judged, "ours", "ours, no histories") == ""


def test_what_loses_is_said():
    assert figures.losses(FIVE) == ["- On ml-100k *ours, no histories* loses to *far*."]
    turned = FIVE | {"bad": FIVE["bad"] - 0.8}
    assert figures.losses(dict(sorted(turned.items(), key=lambda r: -r[1].mean()))) == [
        "- On ml-100k *ours* loses to *bad*.",
        "- On ml-100k *ours, no histories* loses to *far*, *bad*.",
    ]
    assert figures.losses({"ours": FIVE["ours"]}) == []


def test_ensembles_stand_beside_ensembles():
    made = {
        "ours": found([*FIVE["ours"]], [*FIVE["ours"] - 0.1]),
        "ours, no histories": found([*FIVE["bad"]], [*FIVE["bad"] - 0.1]),
    }
    results.write("accuracy", "ml-100k", made)
    assert "mean of" not in figures.table()
    many, _ = figures.details().split("\n\n")
    assert (
        many.splitlines()[0]
        == "| ensemble | ml-100k | minus *ours, mean of 3* | ml-1m |"
    )
    assert many.splitlines()[3] == (
        "| ours, no histories, mean of 3 | 0.8000 | +0.3000 ± 0.0024, worse "
        "| not measured |"
    )


def test_the_lines_of_both_sets_by_hand():
    both_sets()
    sentences = [s.format(name) for name in ("ml-100k", "ml-1m") for s in (EPOCH, TOP)]
    one, many = TABLE.strip().split("\n\n")
    assert figures.table() == one
    assert figures.details() == "\n".join([many, "", *sentences, *GROWING])


def test_who_was_not_searched_is_named_for_each_set(monkeypatch):
    searched = accuracy.Contender(None, space={"k": [1, 2]})
    for name in ("theirs", "others"):
        monkeypatch.setitem(accuracy.CONTENDERS, name, searched)
    no_search = found([1.0, 1.1]) | {"tried": []}
    results.write("accuracy", "ml-100k", SMALL | {"theirs": no_search})
    results.write("accuracy", "ml-1m", {"others": no_search})
    assert figures.unsearched() == [
        "- On ml-100k with its maker's settings: *theirs*.",
        "- On ml-1m with its maker's settings: *others*.",
    ]
    assert figures.table().splitlines()[-2:] == figures.unsearched()


def test_searches_that_ended_at_an_edge_are_named_with_the_settings():
    theirs = {"settings": {"rank": 48, "l2": 0.1}, "at_edge": ["rank"]}
    others = {"settings": {"k": 4, "l2": 1}, "at_edge": ["k", "l2"]}
    made = SMALL | {
        "theirs": SMALL["theirs"] | theirs,
        "others": SMALL["others"] | others,
    }
    results.write("accuracy", "ml-100k", made)
    (said,) = figures.edges()
    assert said.startswith("- On ml-100k these searches ended at the edge")
    assert said.endswith(": *theirs* (rank 48), *others* (k 4, l2 1).")
    assert said in figures.details().splitlines()


def test_what_was_not_measured_is_said_in_the_table_and_no_sentence():
    results.write("scoring", "ml-1m", SCORING)
    one = figures.table()
    many, after = figures.details().split("\n\n")
    assert one.splitlines()[2] == "| ours | 0.6500 |  | not measured |"
    assert one.splitlines()[-1] == (
        "| theirs | 1.0000 | +0.3500 ± 0.7024, not shown | not measured |"
    )
    assert many.splitlines()[-1] == "| ours, mean of 3 | 0.6000 | not measured |"
    assert after.splitlines() == [TOP.format("ml-1m"), *GROWING]


def test_lists_stand_beside_what_was_published():
    assert figures.of_lists() == []
    one = BY_LISTS["ours"]["members"][:1]
    results.write("lists", "ml-1m", BY_LISTS | {"ours": {"members": one, "means": one}})
    results.write("lists", "ml-100k", BY_LISTS)
    assert figures.of_lists() == [
        "| lists of ten | published | ml-100k | ml-1m |",
        "|---|---|---|---|",
        "| most popular | 0.1361 | 0.1300, 0.020 | 0.1300, 0.020 |",
        "| PureSVD | 0.2719 | 0.2700, 0.200 | 0.2700, 0.200 |",
        "| EASE | 0.2905 | 0.2900, 0.100 | 0.2900, 0.100 |",
        "| SLIM | 0.2957 |  |  |",
        "| ours, one model |  | 0.2900, 0.400 | 0.2800, 0.300 |",
        "| ours, mean of 2 |  | 0.3100, 0.250 |  |",
        "",
    ]


def test_the_lines_of_readme_are_replaced_and_all_else_stays(
    monkeypatch, tmp_path, capsys
):
    both_sets()
    readme, more = tmp_path / "README.md", tmp_path / "MORE.md"
    png = tmp_path / "figure.png"
    monkeypatch.setattr(figures, "README", readme)
    monkeypatch.setattr(figures, "DETAILS", more)
    monkeypatch.setattr(figures, "FIGURE", png)
    text = f"before ±\n{figures.BEGIN}\nold\n{figures.END}\nafter\n"
    for path in (readme, more):
        path.write_text(text, "utf-8")
    figures.main()
    expected = text.replace("old", figures.table())
    assert readme.read_text("utf-8") == expected
    assert more.read_text("utf-8") == text.replace("old", figures.details())
    assert capsys.readouterr().out == f"{readme}\n{more}\n"
    assert plt.imread(png).shape[:2] == (814, 990)
    assert plt.get_fignums() == []
    figures.main()
    assert readme.read_text("utf-8") == expected


def test_where_the_figure_and_the_lines_belong():
    for path in (figures.README, figures.DETAILS):
        text = path.read_text("utf-8")
        assert text.count(figures.BEGIN) == text.count(figures.END) == 1
        assert text.index(figures.BEGIN) < text.index(figures.END)
    assert figures.FIGURE.is_file()
    assert f"(../docs/{figures.FIGURE.name})" in text


@pytest.fixture
def axes():
    fig = figures.draw({"figures": SMALL}, {"figures": GROWTH})
    yield dict(zip(("rmse", "rows", "ids"), fig.axes, strict=True))
    plt.close(fig)


def test_a_point_a_split_and_a_bar_at_the_mean(axes):
    ax = axes["rmse"]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["theirs", "others", "ours", "ours, mean of 3"]
    assert ax.get_yticks().tolist() == [0, 1, 2, 3]
    *points, rule = ax.lines
    assert [*rule.get_ydata()] == [2.5, 2.5]  # ensembles are above it
    drawn = [
        (x.get_marker(), [*x.get_xdata()], [*x.get_ydata()], x.get_color())
        for x in points
    ]
    grey, red = "#333333", "#d62728"
    assert drawn == [
        ("o", [0.9, 1.1], [0, 0], grey),
        ("|", [1.0], [0], grey),
        ("o", [0.72, 0.74], [1, 1], grey),
        ("|", [0.73], [1], grey),
        ("o", [0.5, 0.8], [2, 2], red),
        ("|", [0.65], [2], red),
        ("o", [0.5, 0.7], [3, 3], red),
        ("|", [0.6], [3], red),
    ]
    assert {x.get_linestyle() for x in points[::2]} == {"None"}
    assert ax.get_xlabel() == "test RMSE, ml-100k: a point a split, the bar is the mean"
    size = [x.get_markersize() for x in points]
    assert size[1] == 18 > 2 * size[0]
    assert {x.get_alpha() for x in points[::2]} == {0.5}


@pytest.mark.parametrize(
    ("name", "sizes", "lines", "labels"),
    [
        (
            "rows",
            [10, 100, 1000],
            {
                "s an epoch, slope 0.22": ([2.0, 2.5, 5.6], "#333333"),
                "s to encode, slope 0.11": ([1.0, 1.5, 4.4], "#999999"),
                "GiB at peak, slope 0.33": ([3.0, 3.5, 6.66], "#d62728"),
            },
            ("rows", "seconds, or GiB"),
        ),
        (
            "ids",
            [20, 200, 2000],
            {
                "Keras' Adam, slope 1.23": ([1.0, 1.5, 7.0], "#999999"),
                "our Adam, slope 0.57": ([2.0, 2.5, 8.0], "#333333"),
                "RowAdam, slope 0.09": ([3.0, 3.5, 9.0], "#d62728"),
            },
            ("ids of one field", "milliseconds a step"),
        ),
    ],
)
def test_costs_grow_on_log_axes(name, sizes, lines, labels, axes):
    ax = axes[name]
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert (ax.get_xlabel(), ax.get_ylabel()) == labels
    drawn = {x.get_label(): ([*x.get_ydata()], x.get_color()) for x in ax.lines}
    assert drawn == lines
    for line in ax.lines:
        np.testing.assert_array_equal(line.get_xdata(), sizes)
        assert (line.get_marker(), line.get_linestyle()) == ("o", "-")
    legend = ax.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [*lines]
    assert legend.get_title().get_text() == "slope: over the last factor of ten"
    assert ax.margins()[1] == 0.3
