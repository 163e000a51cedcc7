"""What suggest() makes of awkward tables: kinds, what it leaves out, and why."""

import datetime

import numpy as np
import pandas as pd
import pytest

from helpers import fields
from helpers.fields import Categorical, FieldEncoder, MultiCategorical, Numeric
from helpers.suggest import LEAVE_OUT

N = 1000
RNG = np.random.default_rng(0)
Y = RNG.integers(2, size=N)


def of(**columns):
    """What is suggested beside a target y of zeros and ones; an encoder can take it."""
    rows = pd.DataFrame({"y": Y, **columns})
    found = fields.suggest(rows, "y")
    if found.fields:
        FieldEncoder(found.fields).fit(rows).transform(rows)
    return found


def why(found, column) -> str:
    return found.table.why[column]


def left_out(found, column, words: str) -> bool:
    row = found.table.loc[column]
    return column not in found.fields and row.field == LEAVE_OUT and words in row.why


TEXT = RNG.choice(["red", "green", "blue"], N)
NUMBER = RNG.normal(50, 10, N).round(2)
GAIN = np.where(RNG.random(N) < 0.9, 0, RNG.integers(1, 9999, N))


def test_the_fields_are_what_an_encoder_takes_and_the_table_what_one_reads():
    found = of(colour=TEXT, size=NUMBER)
    assert found.fields == {"colour": Categorical(), "size": Numeric()}
    assert found.table.field.tolist() == ["Categorical()", "Numeric()"]
    assert found.table.index.name == "column"
    assert "3 values" in why(found, "colour")
    table = pd.DataFrame({"colour": TEXT, "size": NUMBER})
    edited = found.fields | {"size": Numeric(intervals=4)}
    x = FieldEncoder(edited).fit(table).transform(table)
    assert len(np.unique(x["size"])) == 4
    for text in (repr(found), found._repr_html_()):
        assert "Categorical()" in text and "3 values" in text


def test_an_id_different_in_every_row():
    found = of(
        row=np.arange(N) + 7, name=[f"n{i}" for i in range(N)], x=RNG.normal(size=N)
    )
    assert left_out(found, "row", "different in every row")
    assert left_out(found, "name", "different in every row")
    assert found.fields == {"x": Numeric()}  # a measured number may be
    nearly = of(name=[f"n{i // 2 if i < 200 else i}" for i in range(N)])
    assert left_out(nearly, "name", "a value that no other row has")


def test_an_id_of_many_rows_stays_and_is_no_leak():
    customer = RNG.integers(400, size=N)
    found = of(customer_id=customer, customer=[f"c{c}" for c in customer])
    assert found.fields["customer_id"].kind == "categorical"
    assert "ids and codes" in why(found, "customer_id")
    assert left_out(found, "customer", "says the same as 'customer_id'")
    assert abs(found.table["AUC alone"]["customer_id"] - 0.5) < 0.1


@pytest.mark.parametrize("rows", [60, N])
def test_a_value_seen_once_or_twice_gives_nothing_away(rows):
    """The mean of a value over its own rows would part ones from zeros perfectly."""
    pair = [f"p{i // 2}" for i in range(rows)]
    once = [f"n{i}" for i in range(rows)]
    y = np.repeat(np.arange(rows // 2) % 2, 2)[:rows]
    found = fields.suggest(pd.DataFrame({"y": y, "once": once}), "y")
    assert abs(found.table["AUC alone"]["once"] - 0.5) < 0.2
    found = fields.suggest(
        pd.DataFrame({"y": RNG.integers(2, size=rows), "p": pair}), "y"
    )
    assert abs(found.table["AUC alone"]["p"] - 0.5) < 0.25


def test_a_constant_and_what_is_missing():
    number = np.arange(N)
    found = of(
        one=np.ones(N, int),
        none=[None] * N,
        few=np.where(number < 40, NUMBER, np.nan),
        some=pd.Series(TEXT).where(RNG.random(N) < 0.7),
        yes=np.where(number % 3 > 0, "yes", None),
        x=np.where(RNG.random(N) < 0.1, np.nan, NUMBER),
        nearly=np.where(number < 5, np.nan, NUMBER),
    )
    assert left_out(found, "one", "constant: 1 in every row")
    assert left_out(found, "none", "all missing")
    assert left_out(found, "few", "missing in 96% of the rows")
    assert found.fields == {
        "some": Categorical(missing="value"),
        "yes": Categorical(missing="value"),
        "x": Numeric(missing="value", intervals=20),
        "nearly": Numeric(missing="mean"),
    }
    assert "missing in 5 of 1,000 rows" in why(found, "nearly")


def test_a_column_that_is_filled_where_the_answer_is_yes_gives_it_away():
    """And no advice is given to take that as a value."""
    left = np.arange(N) % 20 == 0
    table = pd.DataFrame(
        {
            "left": left,
            "reason": pd.Series(TEXT).where(left),
            "closed": pd.Series(pd.date_range("2020-01-01", periods=N)).where(left),
            "x": NUMBER,
        }
    )
    found = fields.suggest(table, "left")
    assert left_out(found, "reason", "gives the target away")
    assert left_out(found, "closed", "gives the target away")
    assert [*found.fields] == ["x"]


def test_a_target_whose_largest_value_most_rows_have_is_parted_all_the_same():
    stars = np.where(np.arange(N) % 5 < 3, 5, np.arange(N) % 4 + 1)
    found = fields.suggest(pd.DataFrame({"stars": stars, "copy": stars * 2.5}), "stars")
    assert left_out(found, "copy", "gives the target away")


def test_what_gives_the_target_away():
    noisy = np.where(RNG.random(N) < 0.01, 1 - Y, Y)
    found = of(
        copy=np.where(Y, "granted", "refused"),
        turned=-Y * 3.5,
        amount=Y * RNG.uniform(10, 20, N),  # filled where the answer is yes
        reason=np.where(Y, RNG.choice(["a", "b"], N), None),
        noisy=np.array(["n", "y"])[noisy],
        bent=(RNG.normal(size=N) + 3) * (2 * Y - 1),
        honest=RNG.normal(size=N) + Y,
    )
    for name in ("copy", "turned", "amount", "reason", "noisy", "bent"):
        assert left_out(found, name, "gives the target away"), name
        assert found.table["AUC alone"][name] > 0.95
    assert [*found.fields] == ["honest"]
    assert 0.7 < found.table["AUC alone"]["honest"] < 0.8


def test_a_number_that_is_high_in_the_middle_has_its_auc():
    x = RNG.uniform(-1, 1, N)
    y = (np.abs(x) < 0.5).astype(int)
    found = fields.suggest(pd.DataFrame({"x": x, "y": y}), "y")
    assert left_out(found, "x", "gives the target away")


def test_other_targets():
    size = RNG.normal(size=N)
    table = pd.DataFrame({"copy": size * 2 + 1, "near": size + RNG.normal(size=N)})
    for target in (size, np.where(size > 0, "yes", "no"), size > 0):
        found = fields.suggest(table.assign(price=target), "price")
        assert left_out(found, "copy", "gives the target away")
        assert [*found.fields] == ["near"]
    few = fields.suggest(table.assign(y=np.arange(N) < 9), "y")
    assert few.table["AUC alone"].isna().all()
    assert [*few.fields] == ["copy", "near"]


def test_two_columns_that_say_the_same_either_way_round():
    code = pd.Series(TEXT).map({"red": 7, "green": 1, "blue": 4})
    next_colour = {"red": "green", "green": "blue", "blue": "red"}
    other = pd.Series(TEXT).where(np.arange(N) > 0, next_colour[TEXT[0]])
    found = of(
        colour=TEXT,
        code=code,
        celsius=NUMBER,
        fahrenheit=NUMBER * 1.8 + 32,
        left=-NUMBER,
        other=other,
    )
    assert left_out(found, "code", "says the same as 'colour': one value here for each")
    assert left_out(
        found, "fahrenheit", "says the same as 'celsius', in the same order"
    )
    assert left_out(found, "left", "says the same as 'celsius', in the other order")
    assert [*found.fields] == ["colour", "celsius", "other"]
    turned = of(code=code, colour=TEXT)
    assert left_out(turned, "colour", "says the same as 'code'")
    city = pd.Series(TEXT).map({"red": "a", "green": "a", "blue": "b"})
    assert [*of(colour=TEXT, city=city).fields] == ["colour", "city"]  # one way only


def test_measured_numbers_that_are_all_different_are_not_the_same():
    found = of(
        a=RNG.normal(size=N), b=RNG.normal(size=N), c=RNG.integers(10**9, size=N) / 7
    )
    assert [*found.fields] == ["a", "b", "c"]
    gone = np.where(RNG.random(N) < 0.3, np.nan, NUMBER)
    other = np.where(RNG.random(N) < 0.3, np.nan, NUMBER)
    assert [*of(gone=gone, other=other).fields] == ["gone", "other"]


def test_text_that_says_the_same_also_where_it_has_many_values():
    word = pd.Series([f"w{i}" for i in RNG.integers(700, size=N)])
    assert 0.5 * N < word.nunique() < 0.75 * N
    found = of(word=word, other=word.str.upper())
    assert left_out(found, "other", "says the same as 'word'")


def test_few_numbers_are_in_one_order_by_chance():
    table = pd.DataFrame({"a": [1.5, 2.5, 3.5], "b": [4.5, 6.5, 7.5], "y": [0, 1, 1]})
    assert [*fields.suggest(table, "y").fields] == ["a", "b"]


def test_what_is_left_out_makes_no_other_superfluous():
    found = of(copy=Y, again=np.where(Y, "a", "b"), one=[1] * N, two=[2] * N)
    assert left_out(found, "copy", "gives") and left_out(found, "again", "gives")
    assert left_out(found, "two", "constant")


def test_dates_in_every_spelling():
    days = pd.date_range("2020-01-01", periods=N, freq="h")
    seconds = (days - pd.Timestamp(0)) // pd.Timedelta("1s")
    found = of(
        stamp=days,
        text=days.strftime("%Y-%m-%d"),
        german=days.strftime("%d.%m.%Y"),
        full=days.strftime("%Y-%m-%dT%H:%M:%S"),
        day=[d.date() for d in days],
        period=days.to_period("M"),
        timestamp=np.repeat(seconds[: N // 2], 2),
        version=RNG.choice(["1.2.3", "1.10.0"], N),
    )
    for name in ("stamp", "text", "german", "full", "day", "period"):
        assert left_out(found, name, "dates: those to come"), name
    assert left_out(found, "timestamp", "moments since 1970")
    assert found.fields == {"version": Categorical()}


@pytest.mark.parametrize("form", ["%Y/%m/%d", "%d-%m-%Y", "%Y%m%d", "whole"])
def test_dates_in_other_spellings(form):
    days = pd.date_range("2019-01-01", periods=N)
    written = days.strftime("%Y%m%d" if form == "whole" else form)
    found = of(day=written.astype(int) if form == "whole" else written)
    assert left_out(found, "day", "dates: those to come")


def test_a_number_called_candidate_is_no_moment():
    found = of(candidate_id=RNG.integers(10**9, 10**9 + 50, N))
    assert found.fields["candidate_id"].kind == "categorical"


AMOUNT = RNG.integers(1000, 9999, N)
TENTHS = [f"{x / 10:.1f}" for x in RNG.integers(99, size=N)]


@pytest.mark.parametrize(
    ("column", "odd"),
    [
        ([f"{x // 1000},{x % 1000:03}" for x in AMOUNT], ""),
        ([x.replace(".", ",") for x in TENTHS], ""),
        ([f"${x}.50" for x in AMOUNT], ""),
        ([f"{x % 100}%" for x in AMOUNT], ""),
        (["n/a" if i % 50 == 0 else x for i, x in enumerate(TENTHS)], "'n/a'"),
        (["?" if i % 50 == 0 else f"{x}.5" for i, x in enumerate(AMOUNT)], "'?'"),
    ],
    ids=["thousands", "comma", "dollars", "percent", "few", "many"],
)
def test_text_that_is_nearly_numbers_is_no_list_and_says_what_to_mend(column, odd):
    found = of(x=column)
    assert "x" not in found.fields or found.fields["x"].kind == "categorical"
    assert f"An amount, but for {odd}" in why(found, "x")
    assert "Make numbers of it, then Numeric()" in why(found, "x")


def test_text_with_some_numbers_in_it_is_no_amount():
    lists = [",".join(map(str, RNG.integers(9, size=i % 4 + 1))) for i in range(N)]
    found = of(
        word=np.where(np.arange(N) % 3 == 0, TEXT, "7"),
        zip_code=np.where(np.arange(N) % 50 == 0, "K1A", (AMOUNT % 30).astype(str)),
        lists=lists,
    )
    assert not [column for column in found.fields if "amount" in why(found, column)]
    assert found.fields["lists"] == MultiCategorical(separator=",")


def test_whole_amounts_that_are_all_different_are_not_called_ids_for_sure():
    found = of(salary=RNG.permutation(np.arange(20_000, 90_000))[:N])
    assert left_out(found, "salary", "An amount? then Numeric()")


def test_numbers_that_are_names():
    found = of(
        zip_code=RNG.integers(10_000, 10_040, N),
        userId=RNG.integers(1, 90, N),
        plz=[f"{i:05}" for i in RNG.integers(0, 90, N) * 100],
        shop=RNG.permutation(np.arange(N) % 150 + 1),
        flag=RNG.integers(2, size=N),
        valid=RNG.random(N).round(3),
        acid=RNG.random(N).round(3),
    )
    for name in ("zip_code", "userId", "plz", "shop", "flag"):
        assert found.fields[name].kind == "categorical", name
    assert found.fields["valid"].kind == found.fields["acid"].kind == "numeric"


def test_numbers_in_their_forms():
    found = of(
        plain=NUMBER,
        price=RNG.lognormal(3, 2, N).round(2),
        gain=GAIN,
        text=[f"{x}" for x in NUMBER],
        rooms=RNG.integers(1, 9, N),
        below=-RNG.lognormal(3, 2, N),
    )
    assert found.fields == {
        "plain": Numeric(),
        "price": Numeric(log=True),
        "gain": found.fields["gain"],
        "rooms": Numeric(),
        "below": Numeric(),
    }
    assert left_out(found, "text", "says the same as 'plain'")
    assert "are 0: intervals among the others" in why(found, "gain")
    gain = FieldEncoder({"gain": found.fields["gain"]}).fit(
        pd.DataFrame({"gain": GAIN})
    )
    assert 15 <= gain.specs[0].size - fields.FIRST <= 22
    assert "codes? then Categorical" in why(found, "rooms")
    alone = of(text=[f"{x}" for x in NUMBER])
    assert alone.fields == {"text": Numeric()}
    assert "text that reads as numbers" in why(alone, "text")


def test_lists_and_text_that_is_a_list():
    tags = [
        [f"t{i}" for i in RNG.choice(9, RNG.integers(0, 4), replace=False)]
        for _ in range(N)
    ]
    joined = [
        "|".join(sorted(f"g{i}" for i in RNG.choice(12, 3, replace=False)))
        for _ in range(N)
    ]
    names = [f"Doe{i}, Jane" for i in np.repeat(np.arange(N // 5), 5)]
    found = of(tags=tags, joined=joined, names=names)
    assert found.fields == {
        "tags": MultiCategorical(),
        "joined": MultiCategorical(separator="|"),
        "names": Categorical(),
    }
    tags[3] = None
    assert of(tags=tags).fields == {"tags": MultiCategorical(missing="empty")}


def test_rare_values_teach_what_unknown_means():
    few = np.where(np.arange(N) < 3, "odd", TEXT)
    found = of(few=few, many=[f"v{i // 2 if i < 900 else i}" for i in range(N)])
    assert found.fields["few"] == Categorical(min_count=5)
    assert found.fields["many"] == Categorical(min_count=2)
    assert "unknown means" in why(found, "few")


def test_what_no_field_can_hold():
    odd = pd.Series(TEXT, dtype=object)
    odd[5] = 3
    found = of(
        mixed=odd, dicts=[{"a": 1}] * N, spans=pd.to_timedelta(np.arange(N) % 7, "D")
    )
    for name in ("mixed", "dicts", "spans"):
        assert left_out(found, name, "no field can hold it: Column"), name
    assert found.fields == {}


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ([["a"], "b"] * (N // 2), "is no list"),
        ([["a", None]] * N, "lists a missing value"),
        ([[datetime.date(2020, 1, i % 9 + 1)] for i in range(N)], "lists of dates"),
        ([[*x] for x in RNG.normal(size=(N, 3))], "lists of measured numbers"),
        (RNG.normal(size=N) * 1e300, "is no finite number"),
    ],
    ids=["mixed", "with a gap", "of dates", "vectors", "beyond 32 bits"],
)
def test_what_a_field_would_refuse_is_not_proposed(column, words):
    assert left_out(of(x=column), "x", words)


def test_one_number_or_none_is_a_value_and_not_an_amount():
    for gaps in (3, 300):
        found = of(x=np.where(np.arange(N) < gaps, np.nan, 5.0))
        assert found.fields["x"].kind == "categorical"


def test_numbers_that_the_table_calls_categories_are():
    assert of(x=pd.Categorical(RNG.integers(4, size=N))).fields == {"x": Categorical()}


def test_numbers_that_are_stored_sparse():
    column = pd.arrays.SparseArray(np.where(np.arange(N) % 3, 0, np.arange(N) % 7))
    assert of(x=column).fields["x"].kind == "numeric"


def test_a_name_that_no_field_can_have_is_told():
    names = pd.Index([("a", "b"), 1.5, "y"], dtype=object, tupleize_cols=False)
    table = pd.DataFrame({i: [0, 1, 2, 3] * 9 for i in range(3)}).set_axis(
        names, axis=1
    )
    found = fields.suggest(table, "y")
    assert (
        found.table.why.tolist() == ["no field can be called so: rename the column"] * 2
    )
    assert "rename" in repr(found) and "rename" in found._repr_html_()


def test_any_name_and_few_rows():
    table = pd.DataFrame(
        {3: ["a", "b"] * 3, "a b": [1.5, 2, 3, 1.5, 2, 3], "y": [0, 1, 0, 1, 1, 0]}
    )
    found = fields.suggest(table, "y")
    assert found.fields == {3: Categorical(), "a b": Numeric()}
    index = table.set_index(pd.Index([9] * 6))
    assert fields.suggest(index, "y").fields == found.fields
    FieldEncoder(found.fields).fit(table)


@pytest.mark.parametrize(
    ("rows", "target", "message"),
    [
        ({"y": [0, 1]}, "y", "Rows are a DataFrame, not a dict"),
        (pd.DataFrame({"x": [0, 1]}), "y", "Columns are missing: \\['y'\\]"),
        (pd.DataFrame({"y": []}), "y", "There are no rows to look at"),
        (pd.DataFrame({"y": [0, None]}), "y", "Column 'y' has a missing value"),
        (pd.DataFrame({"y": [2, 2]}), "y", "All rows have 2 in 'y'"),
        (
            pd.DataFrame([[0, 1, 2]], columns=["y", "x", "x"]),
            "y",
            "more than once: \\['x'\\]",
        ),
    ],
)
def test_what_cannot_be_looked_at_is_refused(rows, target, message):
    with pytest.raises(ValueError, match=message):
        fields.suggest(rows, target)


def test_the_rows_are_not_changed():
    table = pd.DataFrame({"y": Y, "day": [datetime.date(2020, 1, 1)] * N, "t": TEXT})
    before = table.copy(deep=True)
    fields.suggest(table, "y")
    pd.testing.assert_frame_equal(table, before)
