"""The lines and the figure of README, from a few made-up results."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from benchmarks import figures, growth, results


def found(values: list[float], sd: float | None = None, ensemble=None) -> dict:
    members = 3 if ensemble else 1
    rmse = {str(seed): [value] * members for seed, value in enumerate(values)}
    made = {"one_model": {"values": values, "sd": sd}, "rmse": rmse}
    return made | ({"ensemble": {"values": ensemble}} if ensemble else {})


SMALL = {
    "ours": found([0.5, 0.8], 0.21213, [0.5, 0.7]),
    "theirs": found([0.9, 1.1], 0.14142),
    "others": found([0.72, 0.74]),
}
LARGE = {"ours": found([0.4], None, [0.3]), "theirs": found([0.8])}
SPEED = {
    "deepctr": {"times_ours": {"median": 1.234}, "times_ours_jax": {"median": 2.345}},
    "pytorch": {"times_ours": {"median": 3.456}, "times_ours_jax": {"median": 4.567}},
    "floor": {"ours_times_floor": {"median": 5.678}},
}
SCORING = {
    "no histories": {"one_user": {"median": 0.01251}, "all_users": {"median": 4.56}},
    "four histories": {"one_user": {"median": 9}, "all_users": {"median": 9}},
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
TABLE = """\
| test RMSE | ml-100k, five splits | ml-1m, one split |
|---|---|---|
| ours, mean of 3 | 0.6000 | 0.3000 |
| ours | 0.6500 ± 0.2121 | 0.4000 |
| others | 0.7300 |  |
| theirs | 1.0000 ± 0.1414 | 0.8000 |
"""
EPOCH = (
    "- An epoch of {} takes DeepCTR 1.23 times and a plain PyTorch DeepFM 3.46 times "
    "as long as ours, 2.35 and 4.57 times as long as ours with `KERAS_BACKEND=jax`; "
    "ours takes 5.7 times as long as its gathers and matrix products alone, in NumPy."
)
TOP = "- The top 10 of all movies of {}: 13 ms for one user, 4.6 s for all."
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
    results.write("accuracy", "ml-100k", SMALL)
    results.write("growth", "synthetic", GROWTH)


def both_sets() -> None:
    results.write("accuracy", "ml-1m", LARGE)
    for name in ("ml-100k", "ml-1m"):
        results.write("training_speed", name, SPEED)
        results.write("scoring", name, SCORING)


def test_rows_are_sorted_by_their_means_and_ensembles_say_of_how_many():
    rows = figures.rows_of({"figures": SMALL})
    assert [*rows.items()] == [
        ("theirs", [0.9, 1.1]),
        ("others", [0.72, 0.74]),
        ("ours", [0.5, 0.8]),
        ("ours, mean of 3", [0.5, 0.7]),
    ]


def test_the_mean_decides_however_many_splits_there_are():
    rows = figures.rows_of(
        {"figures": {"few": found([0.9]), "many": found([0.1, 0.2, 0.3, 0.6])}}
    )
    assert [*rows] == ["few", "many"]


def test_the_lines_of_both_sets_by_hand():
    both_sets()
    sentences = [s.format(name) for name in ("ml-100k", "ml-1m") for s in (EPOCH, TOP)]
    assert figures.table() == "\n".join([TABLE, *sentences, *GROWING])


def test_what_was_not_measured_is_left_out():
    results.write("scoring", "ml-1m", SCORING)
    before, after = figures.table().split("\n\n")
    assert before.splitlines()[2] == "| ours, mean of 3 | 0.6000 |  |"
    assert before.splitlines()[-1] == "| theirs | 1.0000 ± 0.1414 |  |"
    assert after.splitlines() == [TOP.format("ml-1m"), *GROWING]


def test_the_lines_of_readme_are_replaced_and_all_else_stays(
    monkeypatch, tmp_path, capsys
):
    both_sets()
    readme, png = tmp_path / "README.md", tmp_path / "figure.png"
    monkeypatch.setattr(figures, "README", readme)
    monkeypatch.setattr(figures, "FIGURE", png)
    text = f"before ±\n{figures.BEGIN}\nold\n{figures.END}\nafter\n"
    readme.write_text(text, "utf-8")
    figures.main()
    expected = text.replace("old", figures.table())
    assert readme.read_text("utf-8") == expected
    assert capsys.readouterr().out == f"{readme}\n"
    assert plt.imread(png).shape[:2] == (814, 990)
    assert plt.get_fignums() == []
    figures.main()
    assert readme.read_text("utf-8") == expected


def test_where_the_figure_and_the_lines_belong():
    text = figures.README.read_text("utf-8")
    assert text.count(figures.BEGIN) == text.count(figures.END) == 1
    assert text.index(figures.BEGIN) < text.index(figures.END)
    assert figures.FIGURE.is_file()
    assert f"({figures.FIGURE.relative_to(figures.README.parent)})" in text


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
    drawn = [
        (x.get_marker(), [*x.get_xdata()], [*x.get_ydata()], x.get_color())
        for x in ax.lines
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
    assert {x.get_linestyle() for x in ax.lines[::2]} == {"None"}
    assert ax.get_xlabel() == "test RMSE, ml-100k: a point a split, the bar is the mean"
    size = [x.get_markersize() for x in ax.lines]
    assert size[1] == 18 > 2 * size[0]
    assert {x.get_alpha() for x in ax.lines[::2]} == {0.5}


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
            ("rows", "s, GiB"),
        ),
        (
            "ids",
            [20, 200, 2000],
            {
                "keras.Adam, slope 1.23": ([1.0, 1.5, 7.0], "#999999"),
                "Adam, slope 0.57": ([2.0, 2.5, 8.0], "#333333"),
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
    assert legend.get_title().get_text() == "slope: of the last decade"
    assert ax.margins()[1] == 0.3
