"""Errors say what to do now, and what they say of foreign messages holds no field's value."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.errors import MAX_REASON_CHARACTERS, CollectorError, Halt, Retryable, Unprocessable, without_values

SECRET = "hunter2-swordfish"
PLAIN_TEXT = st.text(st.characters(exclude_characters="'\"[]", exclude_categories=["Cs"]), min_size=3, max_size=60)


def test_the_three_are_apart() -> None:
    """Each says one thing to do: none is a kind of another, and all are caught as one."""
    kinds = (Retryable, Unprocessable, Halt)
    for kind in kinds:
        assert issubclass(kind, CollectorError)
        assert [other for other in kinds if issubclass(kind, other)] == [kind]


def test_retryable_is_patient_and_unthrottled_by_default() -> None:
    """Nobody waits as a server asked, or writes fewer at a time, unless it was said."""
    plain, throttled = Retryable("503"), Retryable("429", 7.0, throttled=True)
    assert (plain.retry_after_seconds, plain.throttled, str(plain)) == (None, False, "503")
    assert (throttled.retry_after_seconds, throttled.throttled) == (7.0, True)


def test_unprocessable_keeps_code_and_detail_apart() -> None:
    """The code alone can be counted by; the sentence has both, without a dangling colon."""
    bare, full = Unprocessable("bad_frame"), Unprocessable("too_large", "larger than the server takes", status=413)
    assert (str(bare), bare.detail, bare.status) == ("bad_frame", "", None)
    assert (str(full), full.reason, full.status) == ("too_large: larger than the server takes", "too_large", 413)


def test_a_halt_says_the_remedy() -> None:
    """Whoever reads the one line knows what to change."""
    halt = Halt("403", "grant the right")
    assert str(halt) == "403; grant the right"
    assert (halt.reason, halt.remedy) == ("403", "grant the right")


@pytest.mark.parametrize(
    "message",
    [
        f"failed to parse field [age] of type [long]. Preview of field's value: '{SECRET}'",
        f"failed to parse field [age]. Preview of field's value: '{{a=it's\n{SECRET}\n'}}'",
        f'For input string: "{SECRET}"',
        f"failed to parse date field [{SECRET}] with format [strict_date]",
        f"'{SECRET}' and '{SECRET}' and \"{SECRET}\"",
        f"two lines '\n{SECRET}\n'",
    ],
)
def test_values_in_foreign_messages_are_left_out(message: str) -> None:
    """Whatever Elasticsearch quotes, over lines too, is gone; that something stood there is said."""
    cleaned = without_values(message)
    assert SECRET not in cleaned
    assert "…" in cleaned


def test_what_is_no_value_stays() -> None:
    """The words that tell operators what happened are kept, and so are short numbers in brackets."""
    assert without_values("rejected execution of bulk [1]") == "rejected execution of bulk [1]"
    assert without_values("") == ""


def test_the_place_before_an_error_hides_nothing_of_it() -> None:
    """Elasticsearch begins with line and column in brackets; what went wrong stands behind them, and is kept."""
    message = f"[1:23] failed to parse field [x] of type [long]. Preview of field's value: '{SECRET}'"
    assert without_values(message) == "[1:23] failed to parse field …"
    assert SECRET not in without_values(f"failed to parse [1:23] {SECRET}]")


@settings(deadline=None)
@given(PLAIN_TEXT, st.sampled_from(["''", '""', "[]"]), st.text("abc xyz", max_size=20))
def test_any_quoted_value_is_left_out(value: str, quotes: str, around: str) -> None:
    """A value of three characters or more between delimiters never shows, whatever stands around it."""
    marked = f"<{value}>"
    assert marked not in without_values(f"{around}{quotes[0]}{marked}{quotes[1]}{around}")


@settings(deadline=None)
@given(st.text(max_size=2_000))
def test_reasons_are_bounded_and_clean_already(reason: str) -> None:
    """No message is longer than its bound in a header or a log, and cutting it never makes it longer."""
    cleaned = without_values(reason)
    assert len(cleaned) <= min(MAX_REASON_CHARACTERS, len(reason))


def test_a_message_is_cut_at_its_bound() -> None:
    """One character less than the bound, the bound, and one more."""
    for length in (MAX_REASON_CHARACTERS - 1, MAX_REASON_CHARACTERS, MAX_REASON_CHARACTERS + 1):
        assert without_values("x" * length) == "x" * min(length, MAX_REASON_CHARACTERS)


@pytest.mark.parametrize("value", [f"it's {SECRET}", f"[a] {SECRET}"])
def test_a_value_with_its_own_delimiter_is_left_out_whole(value: str) -> None:
    """An apostrophe or a bracket inside of a value does not end it."""
    quoted = f"[{value}]" if value.startswith("[") else f"'{value}'"
    assert SECRET not in without_values(f"failed to parse {quoted} as a date")


@settings(deadline=None)
@given(
    st.text("'\"[] x7", max_size=12),
    st.text("'\"[] x7", max_size=12),
    st.sampled_from(["''", '""', "[]"]),
    st.sampled_from([0, MAX_REASON_CHARACTERS, 10_000]),
)
def test_no_delimiter_inside_of_a_value_ends_it(before: str, after: str, quotes: str, length: int) -> None:
    """Whatever delimiters a value holds around what is secret, and however long it is: it never shows."""
    value = f"{before}{SECRET}{after}{'x' * length}"
    assert SECRET not in without_values(f"bulk [1] failed to parse {quotes[0]}{value}{quotes[1]} as a date")


def test_a_hostile_message_costs_no_more_than_its_length() -> None:
    """Twenty thousand open brackets, as a client may have sent them, are cleaned in milliseconds."""
    took = []
    for _ in range(3):
        began = time.thread_time()
        without_values("[" * 20_000)
        took.append(time.thread_time() - began)
    assert min(took) < 0.05
