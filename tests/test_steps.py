"""Steps in words by hand, and as bars: each begins where the one above ends."""

from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.plots import PALETTE
from helpers.steps import LEFT, RIGHT, Steps

SVG = "{http://www.w3.org/2000/svg}"
PARTS = ["first_order", "second_order", "deep"]


def steps(terms, start=3.5, **more) -> Steps:
    lines = [
        (PARTS[i % 3], f"<term {i}> & more", float(term))
        for i, term in enumerate(terms)
    ]
    table = pd.DataFrame(lines, columns=["part", "text", "term"])
    table = table.sort_values("term", key=abs, ascending=False, ignore_index=True)
    return Steps("the mean", start, table, "The prediction", "stars", **more)


def drawn(svg) -> tuple[np.ndarray, list[str], list[str]]:
    """Bars as (left, right), their colours, and all texts, from top to bottom."""
    tree = ElementTree.fromstring(svg.data)
    boxes = [box for box in tree.iter(f"{SVG}rect") if box.get("height") == "15"]
    ends = [
        (float(b.get("x")), float(b.get("x")) + float(b.get("width"))) for b in boxes
    ]
    texts = [text.text for text in tree.iter(f"{SVG}text")]
    return np.array(ends).reshape(-1, 2), [box.get("fill") for box in boxes], texts


terms = st.lists(st.floats(-2, 2).filter(lambda t: abs(t) > 0.05), max_size=20)


@given(terms=terms, start=st.floats(-5, 5), most=st.integers(1, 12))
def test_bars_lead_from_start_to_end_on_one_scale(terms, start, most):
    asked = steps(terms, start)
    ends, colours, texts = drawn(asked.bars(most))
    shown, rest = asked.terms.head(most), asked.terms.iloc[most:]
    sizes = [*shown.term] + ([rest.term.sum()] if len(rest) else [])
    assert len(ends) == len(sizes)
    assert colours[: len(shown)] == [PALETTE[part] for part in shown.part]
    assert ((LEFT - 0.2 <= ends) & (ends <= RIGHT + 1.2)).all()
    if sizes and max(map(abs, sizes)) > 0.05:
        widths = ends[:, 1] - ends[:, 0]
        scale = widths[np.argmax(np.abs(sizes))] / max(map(abs, sizes))
        np.testing.assert_allclose(widths, scale * np.abs(sizes), atol=1.5)
        at = [ends[0, 0] if sizes[0] > 0 else ends[0, 1]]
        for (left, right), size in zip(ends, sizes, strict=True):
            assert (left if size > 0 else right) == pytest.approx(at[-1], abs=1.5)
            at.append(right if size > 0 else left)
    assert f"The prediction {asked.end:.2f}" in texts
    assert f"the mean {asked.start:.2f}" in texts


def test_what_does_not_fit_shares_a_bar_and_says_so():
    _, colours, texts = drawn(steps([0.5, 0.4, -0.1, -0.2]).bars(most=2))
    assert "2 smaller terms" in texts
    assert "-0.30" in texts
    assert colours[-1] == PALETTE["inputs"]


def test_texts_are_whole_or_cut_and_escaped():
    _, _, texts = drawn(steps([0.5, 0.4, 0.3], note=", a probability of 0.75").bars())
    assert {"<term 0> & more", "<term 2> & more (deep)", "stars"} <= {*texts}
    assert "The prediction 4.70, a probability of 0.75" in texts
    assert {"first order", "second order", "deep part"} <= {*texts}
    long = steps([0.5])
    long.terms.loc[0, "text"] = "x" * 80
    assert "x" * 51 + "…" in drawn(long.bars())[2]


@pytest.mark.parametrize(
    ("start", "term", "ticks"),
    [
        (3.6, 0.6, ["3.6", "3.7", "3.8", "3.9", "4.0", "4.1", "4.2"]),
        (-1.0, 3.0, ["-1.0", "-0.5", "0.0", "0.5", "1.0", "1.5", "2.0"]),
        (100, 400, ["100", "200", "300", "400", "500"]),
        (3.001, 0.004, ["3.001", "3.002", "3.003", "3.004", "3.005"]),
    ],
)
def test_ticks_are_round_and_have_the_same_decimals(start, term, ticks):
    assert drawn(steps([term], start).bars())[2][: len(ticks)] == ticks


def test_no_terms_at_all_are_drawn_too():
    ends, _, texts = drawn(steps([]).bars())
    assert len(ends) == 0
    assert "The prediction 3.50" in texts


def test_sentences_by_hand():
    lines = [("deep", "a", 0.5), ("first_order", "b", -0.3), ("deep", "c", 0.05)]
    terms = pd.DataFrame(lines, columns=["part", "text", "term"])
    steps = Steps("the mean", 3.0, terms, "The prediction", "stars")
    assert steps.sentence(1) == (
        "The prediction, 3.25, is 0.25 above the mean, 3.00 (stars). "
        "Up: a (deep) +0.50. Down: b -0.30. The other term: +0.05."
    )
    down = steps._replace(terms=terms[1:2], note=", a probability of 0.90")
    assert down.sentence() == (
        "The prediction, 2.70, a probability of 0.90, is 0.30 below the mean, 3.00 "
        "(stars). Down: b -0.30."
    )
