"""Tests of ``gateway.upstreams.vendors.forms``: the fields of an upload, whatever its files hold."""

from __future__ import annotations

import time

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstreams.vendors.forms import form_fields

NAMES = frozenset((b"model", b"n"))


def encoded(fields: dict[str, str], file: bytes) -> bytes:
    """As a real client writes it."""
    return httpx.Request("POST", "http://x", data=fields, files={"file": ("a.bin", file)}).read()


@given(st.binary(max_size=200), st.text("abc-./ é", min_size=1, max_size=20))
def test_what_a_client_writes_is_read(file: bytes, model: str) -> None:
    """The model, whatever is in the file."""
    assert form_fields(encoded({"model": model, "other": "x"}, file), NAMES) == {b"model": model.strip()}


def test_a_file_is_no_field() -> None:
    """Neither one of that name, nor what looks like one inside."""
    lie = b'\r\n--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nlie\r\n--b--\r\n'
    assert form_fields(encoded({"n": "2"}, lie), NAMES) == {b"n": "2"}
    body = b'--b\r\nContent-Disposition: form-data; name="model"; filename="model"\r\n\r\nlie\r\n--b--\r\n'
    assert form_fields(body, NAMES) == {}


@pytest.mark.parametrize("body", [b"", b"--", b"--b", b"{}", b"x\r\n", b"--" + b"b" * 300 + b"\r\n"])
def test_what_is_no_form_is_none(body: bytes) -> None:
    """Nothing is guessed."""
    assert form_fields(body, NAMES) is None


@given(st.binary(max_size=80))
def test_no_body_breaks_the_reader(body: bytes) -> None:
    """Whatever follows a boundary."""
    form_fields(b"--b\r\n" + body, NAMES)


def test_long_values_and_many_parts_are_bounded() -> None:
    """A value that is no name is not kept; a form of a million parts is not walked to its end."""
    assert form_fields(encoded({"model": "x" * 300}, b""), NAMES) == {}
    part = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n'
    started = time.process_time()
    form_fields(part * 100_000, NAMES)
    form_fields(b"--b\r\n" + b"\r\n--" * 2_000_000, NAMES)
    assert time.process_time() - started < 0.2
