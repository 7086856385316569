"""``key=value``: JSON where it is some, else the text itself; nothing is lost on the way."""

from __future__ import annotations

import io
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.admin.errors import UsageError
from gateway.control.admin.values import STDIN, parse_value, read_values

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("bench", "bench"),
        ("", ""),
        ("7", 7),
        ('"7"', "7"),
        ("true", True),
        ("True", "True"),
        ("null", None),
        ("12.50", 12.5),
        ("[1, 2]", [1, 2]),
        ('{"a": [null]}', {"a": [None]}),
        ("[1", "[1"),
        ("a=b", "a=b"),
        ("NaN", "NaN"),
        ("env:OPENAI_API_KEY", "env:OPENAI_API_KEY"),
        ("1e999", "1e999"),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_a_value(text: str, value: Any) -> None:
    """Of its JSON type."""
    found = parse_value("key", text)
    assert (found, type(found)) == (value, type(value))


@given(JSON)
def test_json_is_what_it_says(value: Any) -> None:
    """Whatever it is."""
    assert parse_value("key", json.dumps(value)) == value


@given(st.decimals(0, 10**9, allow_nan=False, allow_infinity=False, places=9))
def test_no_amount_changes(amount: Decimal) -> None:
    """What a float would change stays text, which the API reads exactly."""
    found = parse_value("monthly_budget", format(amount, "f"))
    assert Decimal(found if isinstance(found, str) else repr(found)) == amount


def test_a_secret_comes_from_a_file(tmp_path: Path) -> None:
    """Without the line's end; what is no text is refused by the key's name."""
    (tmp_path / "key").write_bytes(b"sk-1\r\n")
    assert read_values([f"api_key=@{tmp_path / 'key'}"]) == {"api_key": "sk-1"}
    (tmp_path / "key").write_bytes(b"\xff")
    for name in ("key", "missing", ""):
        with pytest.raises(UsageError, match="api_key"):
            read_values([f"api_key=@{tmp_path / name}"])
    (tmp_path / "large").write_bytes(b"x" * ((1 << 20) + 1))
    with pytest.raises(UsageError, match="larger"):
        read_values([f"api_key=@{tmp_path / 'large'}"])


@pytest.mark.parametrize("pair", ["name", "=x", ""])
def test_what_is_no_pair_is_shown(pair: str) -> None:
    """With one that is."""
    with pytest.raises(UsageError, match="name=bench"):
        read_values([pair])


def test_the_last_of_several_wins(tmp_path: Path) -> None:
    """Pairs over the file."""
    file = tmp_path / "values.yaml"
    file.write_text("name: a\ndescription: of the file\n")
    assert read_values(["name=b", "name=c"], file) == {"name": "c", "description": "of the file"}


@pytest.mark.parametrize("text", ["[]", "nothing", "", "1", "NaN", "{"])
def test_the_standard_input_holds_an_object(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Of JSON."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    with pytest.raises(UsageError, match="--from-file"):
        read_values([], STDIN)


def test_a_file_that_holds_none_is_refused(tmp_path: Path) -> None:
    """By its name."""
    (tmp_path / "list.yaml").write_text("- a\n")
    with pytest.raises(UsageError, match=r"list\.yaml"):
        read_values([], tmp_path / "list.yaml")
