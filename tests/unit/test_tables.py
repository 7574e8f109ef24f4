"""Tables refuse what breaks them, and name every faulty cell at once."""

from __future__ import annotations

import polars as pl
import pytest

from openbasket import tables
from openbasket.errors import BadInputError, UnknownNameError


def events(**columns: list[object]) -> pl.DataFrame:
    base = {
        "game_id": ["g1"] * 3,
        "event_id": ["a", "b", "c"],
        "play_id": [0, 1, 2],
        "order": [0, 1, 2],
        "period": [1, 1, 1],
        "clock_s": [600.0, 590.5, 580.0],
        "kind": ["field_goal", "steal", "foul"],
        "made": [True, None, None],
        "value": [3, None, None],
    }
    return pl.DataFrame(base | columns, strict=False)


@pytest.mark.parametrize("name", tables.TABLES)
def test_an_empty_table_is_valid_and_stays_as_it_is(name):
    empty = tables.empty(name)
    checked = tables.validate(name, empty)
    assert checked.schema == empty.schema
    assert dict(checked.schema) == tables.dtypes(name)


@pytest.mark.parametrize("name", tables.TABLES)
def test_every_table_says_what_a_row_is(name):
    assert (tables.TABLES[name].__doc__ or "").strip()


def test_missing_nullable_columns_become_null_and_order_is_the_schemas():
    checked = tables.validate("events", events().select(reversed(events().columns)))
    assert checked.columns == list(tables.dtypes("events"))
    assert checked["player_id"].null_count() == 3


def test_all_faults_are_reported_together():
    bad = events(
        kind=["field_goal", "stael", None], clock_s=[-1.0, 2.0, 3.0], event_id=["a", "a", "c d"]
    )
    with pytest.raises(BadInputError) as caught:
        tables.validate("events", bad, "events.csv")
    found = {(p.row, p.field) for p in caught.value.problems}
    assert found == {
        (0, "clock_s"),
        (0, "game_id, event_id"),
        (1, "game_id, event_id"),
        (1, "kind"),
        (2, "kind"),
        (2, "event_id"),
    }
    assert "events.csv, row 1, field 'kind': got 'stael'" in str(caught.value)
    assert "'steal'" in str(caught.value)


def test_a_value_of_another_type_is_named_with_its_row():
    with pytest.raises(BadInputError, match=r"row 1, field 'period': got 'x'; allowed: Int8"):
        tables.validate("events", events(period=["1", "x", "3"]))


def test_nan_is_no_clock():
    with pytest.raises(BadInputError, match="row 1, field 'clock_s'"):
        tables.validate("events", events(clock_s=[600.0, float("nan"), 1.0]))


def test_missing_and_unknown_columns_are_both_named():
    bad = events().drop("kind").with_columns(knd=pl.lit("foul"))
    with pytest.raises(BadInputError) as caught:
        tables.validate("events", bad)
    assert {p.field for p in caught.value.problems} == {"kind", "knd"}


def test_long_lists_of_problems_are_cut_in_the_text_but_not_in_the_error():
    many = pl.concat([events()] * 20)
    with pytest.raises(BadInputError, match="and 40 more") as caught:
        tables.validate("events", many)
    assert len(caught.value.problems) == 60


def test_an_unknown_table_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'events'"):
        tables.model("event")


def test_keys_that_change_places_are_not_the_same_row() -> None:
    row = {"team_id": "T", "number": None, "starter": None}
    frame = pl.DataFrame(
        [{"game_id": "A", "player_id": "B", **row}, {"game_id": "B", "player_id": "A", **row}]
    )
    assert tables.validate("appearances", frame).height == 2
    with pytest.raises(BadInputError, match="more than once"):
        tables.validate("appearances", pl.concat([frame, frame[:1]]))
