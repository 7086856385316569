"""Today's columns, and what is fitted to them: other versions yes, other types no, and nothing that is not sound."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from collectors.frames import COLUMNS, EVENT_ID_PATTERN, FIRST_MICROS, LAST_MICROS, fit, frame_of, is_sound
from schemas.avro_schema import event_schema
from schemas.codec import SchemaBook
from schemas.events import KINDS, Kind
from tests.collectors.events import NOW_MICROS, make_record, numbered
from tests.collectors.frames import frame_of_records


def rows_of(kind: Kind, count: int = 2, **changes: Any) -> pl.DataFrame:
    """Rows of good events."""
    return frame_of_records(SchemaBook(), numbered(make_record(kind, **changes) for _ in range(count))).rows


@pytest.mark.parametrize("kind", KINDS)
def test_columns_are_the_schema_s(kind: Kind) -> None:
    """Every field of today's schema is a column, in its order; its default is of its type."""
    columns = COLUMNS[kind]
    assert list(columns) == [field["name"] for field in event_schema(kind)["fields"]]
    for name, column in columns.items():
        assert pl.Series(name, [column.default], dtype=column.dtype).dtype == column.dtype
    assert columns["occurred_at"].is_micros
    assert columns["event_id"].dtype == pl.String


def test_times_inside_of_lists_are_known() -> None:
    """A budget's periods are times in a list of records; an attempt's ``micros`` are a duration and no time."""
    assert COLUMNS["budget"]["charges"].micros_within == ("period_start", "period_end")
    assert COLUMNS["analytics"]["attempts"].micros_within == ()
    assert not COLUMNS["analytics"]["total_micros"].is_micros


@pytest.mark.parametrize("kind", KINDS)
def test_today_s_rows_fit_as_they_are(kind: Kind) -> None:
    """Nothing is changed, and columns come in the order of the schema, whatever order they had."""
    rows = rows_of(kind)
    fitted = fit(kind, rows.select(reversed(rows.columns)))
    assert fitted is not None
    assert fitted.columns == list(COLUMNS[kind])
    assert fitted.equals(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_any_field_that_a_writer_did_not_know_has_its_default(kind: Kind) -> None:
    """Without any one column but the id, the frame is whole, of today's types, and says the default in each row."""
    rows = rows_of(kind, 3)
    for name, column in COLUMNS[kind].items():
        if name == "event_id":
            continue
        fitted = fit(kind, rows.drop(name))
        assert fitted is not None
        assert fitted.schema == rows.schema
        assert fitted[name].to_list() == [column.default] * 3


def test_fields_of_tomorrow_are_left_out() -> None:
    """What today's schema does not know is no column of the frame."""
    rows = rows_of("analytics")
    fitted = fit("analytics", rows.with_columns(pl.lit(1).alias("of_tomorrow")))
    assert fitted is not None
    assert fitted.equals(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_another_type_does_not_fit(kind: Kind) -> None:
    """A column of any other type is refused and not cast: it goes through the decoder that knows both schemas."""
    rows = rows_of(kind)
    for name in COLUMNS[kind]:
        assert fit(kind, rows.with_columns(pl.lit(None).cast(pl.Date).alias(name))) is None


def test_a_struct_with_another_field_does_not_fit() -> None:
    """A list of records that gained or lost a field is another type."""
    rows = rows_of("budget")
    more = rows.with_columns(pl.col("charges").list.eval(pl.element().struct.with_fields(pl.lit(1).alias("new"))))
    assert fit("budget", more) is None


def test_no_rows_fit_and_are_sound() -> None:
    """An empty frame is a frame."""
    for kind in KINDS:
        empty = fit(kind, rows_of(kind).clear())
        assert empty is not None
        assert empty.height == 0
        assert is_sound(kind, empty)


@pytest.mark.parametrize(
    "event_id", ["", "x" * 201, 'a"b', "a\nb", "a\n", "a b", "é", "a/b", "a\\b", "\u202ea", "a\x00", "{}"]
)
def test_an_id_that_cannot_be_a_document_s_is_not_sound(event_id: str) -> None:
    """Nothing that ends a line, a text or a path gets onto a bulk line; one such row is enough."""
    rows = rows_of("analytics", 3)
    ids = rows["event_id"].to_list()
    assert not is_sound("analytics", rows.with_columns(pl.Series("event_id", [ids[0], event_id, ids[2]])))


def test_ids_up_to_the_bound_are_sound() -> None:
    """200 characters of letters, digits and four signs."""
    rows = rows_of("analytics", 1)
    for event_id in ("x", "a.b_c:d-9", "x" * 200):
        assert is_sound("analytics", rows.with_columns(pl.lit(event_id).alias("event_id")))
    assert EVENT_ID_PATTERN.endswith("$")


@pytest.mark.parametrize("kind", KINDS)
def test_times_must_be_of_the_years_1_to_9999(kind: Kind) -> None:
    """The first and the last microsecond are times; one before and one behind are not, in any time column."""
    rows = rows_of(kind, 2)
    names = [name for name, column in COLUMNS[kind].items() if column.is_micros]
    assert names
    for name in names:
        for micros, sound in ((FIRST_MICROS, True), (LAST_MICROS, True), (FIRST_MICROS - 1, False), (2**63 - 1, False)):
            changed = rows.with_columns(pl.Series(name, [NOW_MICROS, micros]))
            assert is_sound(kind, changed) == sound, (name, micros)


@pytest.mark.parametrize(("micros", "sound"), [(FIRST_MICROS, True), (LAST_MICROS, True), (LAST_MICROS + 1, False)])
def test_times_inside_of_lists_must_be_times(micros: int, sound: bool) -> None:
    """A budget whose second charge has an impossible period is not sound."""
    rows = rows_of("budget", 1)
    [charge] = rows["charges"].to_list()[0]
    charges = pl.Series("charges", [[charge, charge | {"period_end": micros}]], dtype=rows["charges"].dtype)
    assert is_sound("budget", rows.with_columns(charges)) == sound


def test_rows_without_charges_are_sound() -> None:
    """An empty list has no times that could be wrong."""
    assert is_sound("budget", rows_of("budget", charges=[]))


@pytest.mark.parametrize("kind", KINDS)
def test_decoded_events_end_in_the_same_frame(kind: Kind) -> None:
    """Events decoded one by one are the rows that columns are, to the microsecond and in type."""
    records = numbered(make_record(kind, occurred_at=NOW_MICROS + number) for number in range(3))
    book = SchemaBook()
    events = [book.decode(record.value or b"")[1] for record in records]
    found = frame_of(kind, events)
    expected = frame_of_records(book, records).rows
    assert found.schema == expected.schema
    assert found.equals(expected)


def test_the_ends_of_time_are_exact() -> None:
    """Datetimes at both ends become the integers they came from."""
    book = SchemaBook()
    ends = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))
    for moment, micros in zip(ends, (FIRST_MICROS, LAST_MICROS), strict=True):
        event = book.decode(make_record("budget").value or b"")[1]
        event["occurred_at"] = moment
        event["charges"][0]["period_end"] = moment
        rows = frame_of("budget", [event])
        assert rows["occurred_at"][0] == micros
        assert rows["charges"][0][0]["period_end"] == micros


def test_no_events_are_an_empty_frame() -> None:
    """With all columns and no rows."""
    for kind in KINDS:
        found = frame_of(kind, [])
        assert found.columns == list(COLUMNS[kind])
        assert found.height == 0
