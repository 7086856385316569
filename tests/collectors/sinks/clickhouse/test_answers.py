"""ClickHouse's exceptions by code, wherever they stand in an answer."""

from __future__ import annotations

import pytest

from collectors.errors import Halt, Retryable, Unprocessable
from collectors.sinks.clickhouse.answers import code_of, judge
from collectors.sinks.http.client import HttpAnswer


def answer(
    code: int, name: str = "X", text: str = "it says 'hidden'", status: int = 500, *, header: bool = True
) -> HttpAnswer:
    """As the server's HTTP interface gives it."""
    body = f"Code: {code}. DB::Exception: {text}. ({name}) (version 25.8.1.1 (official build))\n".encode()
    return HttpAnswer(status, body, {"x-clickhouse-exception-code": str(code)} if header else {})


@pytest.mark.parametrize("code", [201, 202, 252])
def test_too_much_at_once_is_throttled(code: int) -> None:
    """Too many parts, queries, or bytes of a quota: fewer at a time helps."""
    found = judge(answer(code, "TOO_MANY_PARTS"))
    assert isinstance(found, Retryable)
    assert found.throttled
    assert "TOO_MANY_PARTS" in str(found)


@pytest.mark.parametrize("code", [3, 159, 209, 210, 241, 242, 243, 285, 319, 425, 439, 999, 12345])
def test_what_may_pass_is_retried(code: int) -> None:
    """Memory, timeouts, replicas, disks, and what is not known: nothing is dead-lettered for the server's trouble."""
    found = judge(answer(code))
    assert isinstance(found, Retryable)
    assert not found.throttled


@pytest.mark.parametrize("code", [16, 60, 62, 81, 115, 164, 192, 193, 194, 497, 516])
def test_what_is_not_set_up_halts(code: int) -> None:
    """Tables, columns, rights, settings: somebody must change something, and the remedy says what."""
    found = judge(answer(code, status=404))
    assert isinstance(found, Halt)
    assert found.remedy


@pytest.mark.parametrize("code", [6, 25, 26, 27, 33, 38, 41, 53, 69, 70, 72, 117, 131, 349, 467, 469])
def test_a_row_at_fault_is_searched(code: int) -> None:
    """It was not parsed, or does not fit its column."""
    found = judge(answer(code, status=400))
    assert isinstance(found, Unprocessable)
    assert found.reason == f"clickhouse_{code}"


def test_any_code_that_names_a_row_is_a_row_s() -> None:
    """Codes come with new versions; the place they name does not lie."""
    assert isinstance(judge(answer(98765, text="no good: (at row 7)")), Unprocessable)


def test_an_unknown_field_is_the_table_s_fault() -> None:
    """One code stands for both: dead letters would drain the topic where a column is missing."""
    found = judge(answer(117, text="Unknown field found while parsing JSONEachRow format: x: (at row 1)"))
    assert isinstance(found, Halt)
    assert "create_tables" in found.remedy


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("status", [200, 400, 500])
def test_the_code_counts_and_not_the_status(status: int, header: bool) -> None:
    """A 200 that had begun when the insert failed holds its exception in the body."""
    assert isinstance(judge(answer(60, status=status, header=header)), Halt)
    late = HttpAnswer(200, b"{}\n" * 5_000 + b"Code: 241. DB::Exception: memory. (MEMORY_LIMIT_EXCEEDED)")
    assert code_of(late) == 241


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b"", None),
        (502, b"<html>Code: bad gateway</html>", Retryable),
        (503, b"", Retryable),
        (429, b"", Retryable),
        (413, b"<html>", Unprocessable),
        (400, b"no exception", Halt),
        (401, b"", Halt),
        (404, b"There is no handle /", Halt),
        (302, b"", Halt),
    ],
)
def test_what_stands_before_it_is_judged_by_its_status(status: int, body: bytes, expected: type | None) -> None:
    """A proxy's 400 says nothing about a row: it is no ClickHouse."""
    found = judge(HttpAnswer(status, body))
    assert found is None if expected is None else isinstance(found, expected)


@pytest.mark.parametrize("header", ["", "x", "-1", "999999999", "٣"])
def test_nonsense_in_the_header_is_no_code(header: str) -> None:
    """The body is asked then."""
    assert code_of(HttpAnswer(500, b"Code: 60. DB::Exception: x", {"x-clickhouse-exception-code": header})) == 60


@pytest.mark.parametrize("code", [27, 60, 241, 252])
def test_no_value_is_shown(code: int) -> None:
    """Exceptions quote what they could not parse."""
    assert "hidden" not in str(judge(answer(code)))
