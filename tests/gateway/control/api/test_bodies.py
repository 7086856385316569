"""Bodies: JSON whatever their type says, exact numbers, bounded, and nothing that a database cannot keep."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.api.bodies import MAX_BODY_BYTES, parse_json
from gateway.control.api.problems import Problem
from tests.gateway.control.api.harness import Api


def test_numbers_are_exact() -> None:
    """What has a point or an exponent is a ``Decimal``, never a float."""
    assert parse_json(b'{"a": 0.1, "b": 6e-7, "c": 9223372036854775807}') == {
        "a": Decimal("0.1"),
        "b": Decimal("6E-7"),
        "c": 2**63 - 1,
    }


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"",
        b"nothing",
        b"[1,]",
        b"NaN",
        b"[Infinity]",
        b"9223372036854775808",
        b"-9223372036854775809",
        b"1" * 10_000,
        b'{"a": 1, "a": 2}',
        b'"\\ud800"',
        b'{"\\ud800": 1}',
        b'"\\u0000"',
        b'{"a\\u0000b": 1}',
        b'"\x00"',
        b"\xff",
        b'"\xed\xa0\x80"',
        b"[" * 65 + b"]" * 65,
        b"[" * 100_000,
        b'{"a":' * 30_000,
        b"\xef\xbb\xbf{}",
    ],
)
def test_what_cannot_be_kept_is_no_json(raw: bytes) -> None:
    """400 that says where or why, and holds no long piece of it."""
    with pytest.raises(Problem) as refused:
        parse_json(raw)
    assert (refused.value.status, refused.value.code) == (400, "invalid_json")
    assert len(refused.value.message) < 200


def test_a_pair_of_surrogates_is_a_character() -> None:
    """Only half of one is none."""
    assert parse_json(b'"\\ud83d\\ude00"') == "\U0001f600"


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(), st.lists, max_leaves=20))
def test_what_can_be_kept_comes_through(value: Any) -> None:
    """Any JSON without NUL, within bounds."""
    text = json.dumps(value)
    if "\\u0000" in text or ("\\ud" in json.dumps(value, ensure_ascii=True) and not _is_utf8(value)):
        return
    assert parse_json(text.encode()) == value


def _is_utf8(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/xml", "n/a;;", "\xff"],
)
async def test_the_content_type_does_not_matter(api: Api, kind: str) -> None:
    """curl sends forms where nobody told it otherwise, and the seed's examples do not."""
    headers = {"content-type": kind.encode("latin-1")} if kind else {}
    answer = await api.client.post("/api/v1/apps", content=b'{"name": "x"}', headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 201, answer.text


async def test_too_much_is_refused_while_it_comes(api: Api) -> None:
    """413 by the length it declares, and by what comes where it declares none; up to the bound it is read."""
    large = b'{"name": "' + b"x" * MAX_BODY_BYTES + b'"}'
    refused = await api.client.post("/api/v1/apps", content=large)
    assert (refused.status_code, refused.json()["code"]) == (413, "request_too_large")
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 10 * MAX_BODY_BYTES:
            sent += 1 << 16
            yield b" " * (1 << 16)

    assert (await api.client.post("/api/v1/apps", content=endless())).status_code == 413
    assert sent <= 2 * MAX_BODY_BYTES
    name = b'{"name": "x"' + b" " * (MAX_BODY_BYTES - 13) + b"}"
    assert len(name) == MAX_BODY_BYTES
    assert (await api.client.post("/api/v1/apps", content=name)).status_code == 201
    assert (
        await api.client.post("/api/v1/apps", content=b"x", headers={"content-length": "9" * 30})
    ).status_code == 413


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b"1", b'"x"', b"true"])
async def test_a_body_is_an_object(api: Api, raw: bytes) -> None:
    """400 for anything else."""
    answer = await api.client.post("/api/v1/apps", content=raw)
    assert (answer.status_code, answer.json()["field"]) == (400, "body")
