"""Documents hold the event's own fields: whatever text, bytes, times and numbers it has, on two lines."""

from __future__ import annotations

from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.documents import bulk_lines, index_of, table_rows, without_nul
from collectors.frames import COLUMNS, FIRST_MICROS, LAST_MICROS
from schemas.codec import SchemaBook
from schemas.events import KINDS, Kind
from sluice.clock import iso_micros
from sluice.eventstore.documents import properties
from tests.collectors.events import BUDGET, NOW_MICROS, make_record, numbered
from tests.collectors.frames import frame_of_records

DAY = 86_400_000_000
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def rows_of(kind: Kind, *changes: dict[str, Any]) -> pl.DataFrame:
    """A row for each of these changes to a good event."""
    records = numbered(make_record(kind, **change) for change in changes or ({},))
    return frame_of_records(SchemaBook(), records).rows


def parsed(kind: Kind, rows: pl.DataFrame, stem: str = "stem") -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Action and document of each row, from lines that are two and end."""
    found = []
    for lines in bulk_lines(kind, rows, stem):
        action, document, rest = lines.split(b"\n")
        assert rest == b""
        found.append((orjson.loads(action)["create"], orjson.loads(document)))
    assert len(found) == rows.height
    return found


def document(kind: Kind, **changes: Any) -> dict[str, Any]:
    """The document of one event."""
    [(_, found)] = parsed(kind, rows_of(kind, changes))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_document_has_the_event_s_fields_and_what_is_added(kind: Kind) -> None:
    """Every field under its own name but ``occurred_at``, which is ``@timestamp``; and all of them are mapped."""
    found = document(kind)
    assert set(COLUMNS[kind]) - {"occurred_at"} <= set(found)
    assert "occurred_at" not in found
    assert found["@timestamp"] == iso_micros(NOW_MICROS)
    assert found["completed_at"] == iso_micros(NOW_MICROS + 1_500)
    assert set(found) <= set(properties(kind))


def test_the_action_creates_under_the_event_s_id_in_its_own_day() -> None:
    """One microsecond divides two days, and with them two indices."""
    midnight = NOW_MICROS - NOW_MICROS % DAY
    rows = rows_of("analytics", {"occurred_at": midnight - 1}, {"occurred_at": midnight})
    actions = [action for action, _ in parsed("analytics", rows, "a-stem")]
    assert [action["_index"] for action in actions] == ["a-stem-2025.11.23", "a-stem-2025.11.24"]
    assert [action["_id"] for action in actions] == rows["event_id"].to_list()


@pytest.mark.parametrize(
    ("micros", "day"), [(FIRST_MICROS, "0001.01.01"), (-1, "1969.12.31"), (LAST_MICROS, "9999.12.31")]
)
def test_days_have_ten_characters_at_both_ends_of_time(micros: int, day: str) -> None:
    """The years 1 to 9999 have four digits each; times before 1970 belong to their own day."""
    rows = pl.DataFrame({"occurred_at": [micros]})
    assert rows.select(index_of("s")).item() == f"s-{day}"


@settings(deadline=None, max_examples=40)
@given(st.integers(FIRST_MICROS, LAST_MICROS))
def test_times_are_rfc_3339_to_the_microsecond(micros: int) -> None:
    """Any time an event can have is the text that the clock itself makes of it."""
    rows = rows_of("analytics").with_columns(pl.lit(micros).alias("completed_at"))
    [(_, found)] = parsed("analytics", rows)
    year, rest = iso_micros(micros).split("-", 1)
    assert found["completed_at"] == f"{year:0>4}-{rest}"


@settings(deadline=None, max_examples=40)
@given(ANY_TEXT, st.lists(ANY_TEXT, max_size=3))
def test_any_text_stays_itself_and_on_its_line(text: str, texts: list[str]) -> None:
    """Quotes, newlines, control characters and emoji: none ends a line, none is changed."""
    found = document("proxy_log", error_message=text, path=text, request_headers=texts)
    assert (found["error_message"], found["path"], found["request_headers"]) == (text, text, texts)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.none() | st.binary(max_size=40), min_size=1, max_size=4))
def test_bodies_are_text_and_say_where_they_were_not(bodies: list[bytes | None]) -> None:
    """What was UTF-8 is as it was; what was not is replaced and flagged, in its own row alone."""
    rows = rows_of("proxy_log", *({} for _ in bodies))
    rows = rows.with_columns(pl.Series("request_body", bodies, dtype=pl.Binary))
    for body, (_, found) in zip(bodies, parsed("proxy_log", rows), strict=True):
        assert found["request_body"] == (None if body is None else body.decode("utf-8", "replace"))
        assert found["request_body_replaced"] == (body is not None and _is_no_text(body))
        assert found["response_body_replaced"] is False


def _is_no_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return True
    return False


def test_a_replacement_character_that_was_sent_is_not_flagged() -> None:
    """U+FFFD as a client's own character is text like any other, even beside a body that is none."""
    rows = rows_of("proxy_log", {"request_body": "\ufffd".encode()}, {"request_body": b"\xff"})
    found = [(each["request_body"], each["request_body_replaced"]) for _, each in parsed("proxy_log", rows)]
    assert found == [("\ufffd", False), ("\ufffd", True)]


@pytest.mark.parametrize(
    ("nanos", "cost"), [(None, None), (0, 0.0), (1, 1e-9), (123_456_789, 0.123456789), (-5, -5e-9)]
)
def test_cost_stands_beside_the_exact_integer(nanos: int | None, cost: float | None) -> None:
    """The sum is made from ``cost_nanos``, which is exact; ``cost`` is for the eye, and unknown where that is."""
    found = document("analytics", cost_nanos=nanos)
    assert found["cost_nanos"] == nanos
    assert found["cost"] == cost


def test_cost_is_the_nearest_float() -> None:
    """Of many rows too: who reads 0.123456789 must not be shown 0.12345678900000001."""
    amounts = [123_456_789, *range(1, 10**10, 98_765_431)]
    rows = rows_of("analytics", *({"cost_nanos": amount} for amount in amounts))
    assert [each["cost"] for _, each in parsed("analytics", rows)] == [amount / 1e9 for amount in amounts]


@pytest.mark.parametrize("nanos", [2**53 + 1, 2**63 - 1, -(2**63)])
def test_large_integers_are_not_floats(nanos: int) -> None:
    """Integers beyond what a float holds are written digit by digit."""
    [lines] = bulk_lines("analytics", rows_of("analytics", {"cost_nanos": nanos}), "s")
    assert f'"cost_nanos":{nanos},'.encode() in lines


def test_a_budget_has_its_first_charge_s_period() -> None:
    """The app's period stands at the top too; a budget without charges has none, and is a document all the same."""
    [charge] = BUDGET["charges"]
    found = document("budget")
    begins, ends = iso_micros(charge["period_start"]), iso_micros(charge["period_end"])
    assert (found["period_start"], found["period_end"]) == (begins, ends)
    assert found["charges"] == [dict(charge) | {"period_start": begins, "period_end": ends}]
    bare = document("budget", charges=[])
    assert (bare["period_start"], bare["period_end"], bare["charges"]) == (None, None, [])


def test_only_the_kind_s_own_fields_are_added() -> None:
    """A proxy log has no cost and no period, an analytics event no flags of bodies."""
    assert {"cost", "period_start"} & set(document("proxy_log")) == set()
    assert {"period_start", "request_body_replaced"} & set(document("analytics")) == set()


@pytest.mark.parametrize("kind", KINDS)
def test_no_rows_are_no_documents(kind: Kind) -> None:
    """An empty frame is no line and no row."""
    empty = rows_of(kind).clear()
    assert bulk_lines(kind, empty, "s") == []
    assert table_rows(kind, empty) == []


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_a_table_are_as_in_the_event(kind: Kind) -> None:
    """Integers, bytes and nothing stay what they are; lists are JSON text; no column is added or left out."""
    rows = rows_of(kind, {}, {"labels": []})
    found = table_rows(kind, rows)
    assert [list(row) for row in found] == [list(COLUMNS[kind])] * 2
    for row, event in zip(found, rows.to_dicts(), strict=True):
        for name, value in event.items():
            assert (orjson.loads(row[name]) if isinstance(value, list) else row[name]) == value
    assert found[1]["labels"] == "[]"
    assert found[0]["occurred_at"] == NOW_MICROS


def test_a_nul_becomes_a_replacement_character_where_there_can_be_none() -> None:
    """In texts alone: bodies are bytes, and lists are JSON, which escapes it; rows without one are the same."""
    clean = rows_of("proxy_log", {}, {})
    assert without_nul(clean) is clean
    rows = rows_of("proxy_log", {"path": "/a\0b", "labels": ["k:\0"], "request_body": b"\0"}, {"path": "/c"})
    [first, second] = table_rows("proxy_log", without_nul(rows))
    assert (first["path"], first["labels"], first["request_body"]) == ("/a\ufffdb", '["k:\\u0000"]', b"\0")
    assert second["path"] == "/c"
