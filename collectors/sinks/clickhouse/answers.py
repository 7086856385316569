"""What ClickHouse's answers mean: by the exception's code, for its statuses say little (most errors are a 500).

| code | class |
|---|---|
| none, and status 200 | inserted |
| 201 quota, 202 queries, 252 parts | retry, throttled |
| 3, 159, 209, 210, 236, 241, 242, 243, 285, 286, 319, 394, 425, 439, 999 … | retry |
| 16, 60, 62, 81, 115, 164, 192, 193, 194, 497, 516 … | halt |
| 6, 25, 26, 27, 33, 38, 41, 53, 69, 70, 72, 117, 131, 349, 467, 469 …, or any that names a row | a row is at fault |
| 117 of a field that the table lacks | halt |
| another code | retry: nothing is known of it |
| no code | by the status |
"""

from __future__ import annotations

import re

from collectors.errors import Halt, Retryable, Unprocessable, without_values
from collectors.sinks.http.answers import cause_of, is_taken, retry_after_seconds
from collectors.sinks.http.client import HttpAnswer

CODE_HEADER = "x-clickhouse-exception-code"
CREDENTIALS = "username, password, bearer_token and headers"

_CODE = re.compile(rb"(?:\A|\n|\b)Code: (\d{1,5})\. DB::(?:\w+)?Exception")
_NAME = re.compile(r"\(([A-Z][A-Z0-9_]{2,60})\)")
_AT_ROW = "(at row "
_UNKNOWN_FIELD = "Unknown field found"
_READ_BYTES = 8_192

_THROTTLED = frozenset((201, 202, 252))
_RIGHTS = f"check {CREDENTIALS}, and the right to INSERT (to CREATE TABLE with create_tables: true)"
_TABLE = "create the table with all columns, or set create_tables: true"
_SETTINGS = "let the user change the settings of its own queries (readonly must not be 1)"
_HALTS = {
    16: _TABLE,  # no such column
    36: "see the server's log, and create the tables yourself with create_tables: false",
    44: _TABLE,
    46: "use a server of version 23.8 or later",
    48: "use a server of version 23.8 or later",
    60: _TABLE,  # unknown table
    62: "use a server of version 23.8 or later",  # syntax
    81: "create the database, or set database to one that exists",
    115: "use a server of version 23.8 or later",  # unknown setting
    164: _SETTINGS,
    192: _RIGHTS,
    193: _RIGHTS,
    194: _RIGHTS,
    195: _RIGHTS,
    291: _RIGHTS,
    452: _SETTINGS,
    497: _RIGHTS,
    516: _RIGHTS,
}
_ROW_AT_FAULT = frozenset(
    (6, 25, 26, 27, 32, 33, 38, 41, 53, 67, 69, 70, 72, 117, 128, 130, 131, 190, 321, 349, 441, 467, 469, 691)
)


def code_of(answer: HttpAnswer) -> int | None:
    """The exception's code, from the header or, where the answer had begun before it failed, from the body."""
    header = answer.headers.get(CODE_HEADER, "")
    if header.isascii() and header.isdigit() and len(header) <= 5:
        return int(header)
    match = _CODE.search(answer.body[:_READ_BYTES]) or _CODE.search(answer.body[-_READ_BYTES:])
    return int(match[1]) if match else None


def judge(answer: HttpAnswer) -> Retryable | Unprocessable | Halt | None:
    """``None`` where the statement was carried out, else why it was not."""
    code = code_of(answer)
    if code is None:
        return None if is_taken(answer) else _by_status(answer)
    text = answer.body[:_READ_BYTES].decode("utf-8", "replace")
    message = f"ClickHouse refuses: code {code}{_name(text)}: {without_values(_reason(text))}"
    if code in _THROTTLED:
        return Retryable(message, retry_after_seconds(answer), throttled=True)
    if code in _HALTS:
        return Halt(message, _HALTS[code])
    if code == 117 and _UNKNOWN_FIELD in text:
        return Halt(message, _TABLE)
    if code in _ROW_AT_FAULT or _AT_ROW in text:
        return Unprocessable(f"clickhouse_{code}", without_values(_reason(text)), status=answer.status)
    return Retryable(message, retry_after_seconds(answer))


def _by_status(answer: HttpAnswer) -> Retryable | Unprocessable | Halt:
    """An answer of something that stands before ClickHouse; of it a single row can only be too large."""
    cause = cause_of(answer, "url", CREDENTIALS)
    if isinstance(cause, Unprocessable) and answer.status != 413:
        return Halt(f"status {answer.status} from what should be a ClickHouse", "check url")
    return cause


def _reason(text: str) -> str:
    return text.partition("Exception: ")[2] or text


def _name(text: str) -> str:
    names = _NAME.findall(text)
    return f" {names[-1]}" if names else ""
