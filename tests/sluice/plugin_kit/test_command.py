"""Texts of a command line as a configuration."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from sluice.plugin_host.running import Described
from sluice.plugin_kit.check import Report
from sluice.plugin_kit.command import capabilities, read_values


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("true", True), ('"1"', "1"), ("plain", "plain"), ("", ""), ('{"a": [1]}', {"a": [1]}), ("a=b", "a=b")],
)
def test_a_value_is_json_where_it_can_be(text: str, value: Any) -> None:
    """Else the text itself; only the first sign divides."""
    assert read_values([f"key={text}"]) == {"key": value}


@pytest.mark.parametrize("text", ["", "key", "=value"])
def test_a_value_has_a_key(text: str) -> None:
    """The command line is refused with what to write."""
    with pytest.raises(typer.BadParameter, match="KEY=VALUE"):
        read_values([text])


def test_capabilities_are_told_in_words() -> None:
    """Hooks first, then what belongs to no exchange; nothing of what could not be loaded."""
    described = Described(
        name="x", hooks=("post_auth",), has_endpoints=True, collects=frozenset({"budget", "analytics"})
    )
    found = capabilities(Report("x.py", described))
    assert found == ["post_auth", "endpoints", "collects analytics", "collects budget"]
    assert capabilities(Report("x.py")) == []
