"""From one number to another, term by term: in words, and as bars in SVG."""

import html
from typing import NamedTuple

import numpy as np
import pandas as pd
from IPython.display import SVG

from helpers.plots import FONT, LABELS, PALETTE

WIDTH, LEFT, RIGHT = 760, 330, 690  # of the figure; of the bars
LINE, BAR = 22, 15  # heights of a row and of its bar
LETTERS = 52  # of a label, as many as there is room for


class Steps(NamedTuple):
    """A start, terms, and the end that they add up to.

    terms: columns part, text, term; the largest first
    unit: of all numbers; note: what else there is to say of the end
    """

    start_name: str
    start: float
    terms: pd.DataFrame
    end_name: str
    unit: str
    note: str = ""

    @property
    def end(self) -> float:
        """Where the sum of all terms arrives, in the unit of the start."""
        return self.start + self.terms.term.sum()

    def sentence(self, most: int = 3) -> str:
        """Both ends, the largest terms up and down, and the rest, in words."""
        gap = self.end - self.start
        side = "above" if gap >= 0 else "below"
        said = [
            f"{self.end_name}, {self.end:.2f}{self.note}, is {abs(gap):.2f} {side} "
            f"{self.start_name}, {self.start:.2f} ({self.unit})."
        ]
        up, down = self.terms[self.terms.term > 0], self.terms[self.terms.term < 0]
        named = pd.concat([up.head(most), down.head(most)])
        for name, some in (("Up", up.head(most)), ("Down", down.head(most))):
            if len(some):
                each = [f"{_label(t)} {t.term:+.2f}" for t in some.itertuples()]
                said.append(f"{name}: {', '.join(each)}.")
        if rest := len(self.terms) - len(named):
            left = self.terms.term.sum() - named.term.sum()
            name = "The other term" if rest == 1 else f"The other {rest} terms together"
            said.append(f"{name}: {left:+.2f}.")
        return " ".join(said)

    def bars(self, most: int = 12) -> SVG:
        """A bar a term, coloured by its part; each begins where the one above ends.

        most: terms with a bar of their own, the largest; the others share one.
        """
        shown, rest = self.terms.head(most), self.terms.iloc[most:]
        rows = [
            (_label(line), PALETTE[line.part], line.term) for line in shown.itertuples()
        ]
        if len(rest):
            name = "1 smaller term" if len(rest) == 1 else f"{len(rest)} smaller terms"
            rows.append((name, PALETTE["inputs"], rest.term.sum()))
        places = self.start + np.cumsum([0.0, *(term for *_, term in rows)])
        ticks = _ticks(places)
        low, high = min(ticks[0], places.min()), max(ticks[-1], places.max())

        def x(value: float) -> float:
            return LEFT + (RIGHT - LEFT) * (value - low) / (high - low)

        bottom = LINE * (len(rows) + 2)
        decimals = max(0, int(np.ceil(-np.log10(ticks[1] - ticks[0]) - 1e-6)))
        drawn = [_axis(f"{t:.{decimals}f}", x(t), bottom) for t in ticks]
        drawn += _end(f"{self.start_name} {self.start:.2f}", x(places[0]), 0)
        for number, (label, colour, term) in enumerate(rows, start=1):
            ends = sorted((x(places[number - 1]), x(places[number])))
            drawn += _bar(label, colour, term, ends, number)
        note = f"{self.end_name} {self.end:.2f}{self.note}"
        drawn += _end(note, x(places[-1]), len(rows) + 1)
        drawn.append(_text(self.unit, RIGHT, bottom + 32, "end"))
        drawn += _legend({*shown.part}, bottom + 32)
        height = bottom + 42
        return SVG(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" style="max-width:100%;height:auto" '
            f'font-family="{FONT}" font-size="12">'
            f'<rect width="{WIDTH}" height="{height}" fill="white"/>'
            f"{''.join(drawn)}</svg>"
        )


def _label(line) -> str:
    return line.text + " (deep)" * (line.part == "deep")


def _ticks(places: np.ndarray) -> np.ndarray:
    """Round numbers around all places, four to nine of them."""
    width = max(np.ptp(places), 1e-6)
    power = 10.0 ** np.floor(np.log10(width / 4))
    step = next(s * power for s in (1, 2, 5, 10) if width / (s * power) <= 7)
    first, last = np.floor(places.min() / step), np.ceil(places.max() / step)
    return np.arange(first, max(last, first + 1) + 1) * step


def _axis(label: str, at: float, bottom: int) -> str:
    line = f'<path d="M{at:.1f} 0V{bottom}" stroke="#eeeeee"/>'
    return line + _text(label, at, bottom + 14, "middle", "#777777")


def _bar(
    label: str, colour: str, term: float, ends: list[float], number: int
) -> list[str]:
    top = number * LINE
    if len(label) > LETTERS:
        label = f"{label[: LETTERS - 1]}…"
    width = max(ends[1] - ends[0], 1)
    return [
        _text(label, LEFT - 10, top + 15, "end"),
        f'<rect x="{ends[0]:.1f}" y="{top + (LINE - BAR) / 2}" width="{width:.1f}" '
        f'height="{BAR}" fill="{colour}"/>',
        _text(f"{term:+.2f}", ends[1] + 5, top + 15, "start"),
    ]


def _end(label: str, at: float, number: int) -> list[str]:
    top = number * LINE
    line = (
        f'<path d="M{at:.1f} {top + 2}v{LINE - 4}" stroke="#333333" stroke-width="3"/>'
    )
    return [_text(label, LEFT - 10, top + 15, "end", weight="bold"), line]


def _legend(parts: set[str], y: int) -> list[str]:
    drawn, at = [], 8
    for part in (part for part in LABELS if part in parts):
        drawn.append(
            f'<rect x="{at}" y="{y - 10}" width="11" height="11" '
            f'fill="{PALETTE[part]}"/>'
        )
        drawn.append(_text(LABELS[part], at + 16, y, "start"))
        at += 105
    return drawn


def _text(
    text: str, x: float, y: float, anchor: str, fill="#333333", weight="normal"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}" fill="{fill}" '
        f'font-weight="{weight}">{html.escape(text)}</text>'
    )
