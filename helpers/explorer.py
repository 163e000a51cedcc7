"""A panel that explains: pick a user and an item, change any field, see bars move."""

import html
from collections.abc import Hashable

import ipywidgets as widgets
import numpy as np
import pandas as pd

from helpers import values
from helpers.explain import Explainer
from helpers.fields import Numeric
from helpers.steps import Steps

LISTS = list | tuple | set | frozenset | np.ndarray
INSTEAD = "A panel to play with: run this cell in JupyterLab."


class Explorer:
    """The panel, for the end of a notebook's cell.

    users, items: a row each, with the columns that the predictor reads, each column in
        one of the two
    user, item: the columns with their ids
    label: the column that names an item, such as "title"; its id where None

    row: what is explained now, column -> value, as the tables have it until a widget is
    moved; steps: its explanation. The widgets are `pickers`, the user's and the item's,
    and `widgets`, column -> widget.

    Raises ValueError for an empty table, and for columns in both tables or in none.
    """

    def __init__(
        self,
        explainer: Explainer,
        users: pd.DataFrame,
        items: pd.DataFrame,
        *,
        user: Hashable,
        item: Hashable,
        label: Hashable | None = None,
    ):
        self.explainer, self.row = explainer, {}
        if not (len(users) and len(items)):
            raise ValueError("There is nothing to pick from: a table is empty.")
        columns = explainer.predictor.encoder.columns
        if odd := [c for c in columns if (c in users) == (c in items)]:
            raise ValueError(f"Columns are in both tables or in none: {odd}.")
        self.tables = [
            table[[c for c in columns if c in table]] for table in (users, items)
        ]
        self.pickers = [
            _picker(str(user), users[user]),
            _picker(str(item), items[item if label is None else label]),
        ]
        self.widgets = {
            column: self._widget(column, table[column])
            for table in self.tables
            for column in table
            if column not in (user, item)
        }
        self._answer, self._bars = widgets.HTML(), widgets.HTML()
        asked = [*self.pickers, *self.widgets.values(), self._answer]
        left = widgets.VBox(asked, layout={"width": "340px"})
        self.panel = widgets.HBox([left, self._bars])
        self._listen()

    def _listen(self) -> None:
        self._moves_itself = False
        for picker, table in zip(self.pickers, self.tables, strict=True):
            picker.observe(lambda change, t=table: self._pick(t, change.new), "value")
        for column, widget in self.widgets.items():
            widget.observe(lambda change, c=column: self._set(c, change.new), "value")
        for picker, table in zip(self.pickers, self.tables, strict=True):
            self._take(table, picker.value)
        self._show()

    def _pick(self, table: pd.DataFrame, place: int) -> None:
        self._take(table, place)
        self._show()

    def _take(self, table: pd.DataFrame, place: int) -> None:
        """A row of a table, as it is, and the widgets to what can be shown of it."""
        picked = {column: table[column].iloc[place] for column in table}
        self.row |= picked
        self._moves_itself = True
        for column in picked.keys() & self.widgets.keys():
            value = picked[column]
            if isinstance(value, LISTS):
                self.widgets[column].value = tuple(value)
            elif not pd.isna(value):
                self.widgets[column].value = value
        self._moves_itself = False

    def _set(self, column: Hashable, value) -> None:
        if not self._moves_itself:
            self.row[column] = value
            self._show()

    def _show(self) -> None:
        why = self.explainer.explain(self.row)
        self.steps: Steps = why.row(why.output.index[0])
        column = html.escape(str(self.explainer.predictor.target.column))
        answer = f"{why.answers.iloc[0]:.2f}"
        self._answer.value = f"<h2>{column} {answer}</h2>"
        self._bars.value = self.steps.bars().data

    def _widget(self, column: Hashable, found: pd.Series) -> widgets.Widget:
        """A slider for a number, boxes of a list's values, else a menu of values."""
        encoder = self.explainer.predictor.encoder
        names = [n for n in encoder.names if column in encoder[n].columns(n)]
        look = {"description": str(column), "layout": {"width": "320px"}}
        if all(isinstance(encoder[name], Numeric) for name in names):
            x = values.numbers(found)
            x = x[~np.isnan(x)]
            whole = (x == x.round()).all()
            look |= {"step": 1.0 if whole else float(np.ptp(x)) / 100}
            look |= {"readout_format": ".0f" if whole else ".2f"}
            return widgets.FloatSlider(min=x.min(), max=x.max(), **look)
        if isinstance(found.iloc[0], LISTS):
            known = sorted({value for one in found for value in one})
            return widgets.SelectMultiple(options=known, rows=6, **look)
        return widgets.Dropdown(options=sorted(found.dropna().unique()), **look)

    def _repr_mimebundle_(self, **options) -> dict:
        """Where no widgets can be shown, a sentence says where they can."""
        return self.panel._repr_mimebundle_(**options) | {"text/plain": INSTEAD}


def _picker(name: str, labels: pd.Series) -> widgets.Dropdown:
    """A menu whose value is the place in the table."""
    options = [(str(label), place) for place, label in enumerate(labels)]
    options.sort(key=lambda option: _order(option[0]))
    return widgets.Dropdown(
        options=options, description=name, layout={"width": "320px"}
    )


def _order(label: str) -> tuple:
    """Numbers by their size, then text by its letters."""
    return (not label.isdigit(), int(label) if label.isdigit() else 0, label)
