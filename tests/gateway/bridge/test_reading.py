"""Vendors' answers, read."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.bridge.interface import Unreadable
from gateway.bridge.reading import decoded, made_id, object_in, objects_in, text_in
from tests.gateway.bridge.telling import wanted_of


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"5", b"null", b"\xff"])
def test_only_an_object_can_be_read(data: bytes) -> None:
    """The rest is unreadable, never a crash."""
    with pytest.raises(Unreadable):
        decoded(data)


@pytest.mark.parametrize("value", [5, "x", [5], {"a": 1}])
def test_lists_are_of_objects(value: Any) -> None:
    """Or absent, which is an empty one."""
    assert objects_in({}, "name") == objects_in({"name": None}, "name") == []
    with pytest.raises(Unreadable):
        objects_in({"name": value}, "name")


def test_an_object_must_be_there() -> None:
    """Named in the reason."""
    with pytest.raises(Unreadable, match="name"):
        object_in({"name": []}, "name")


def test_texts_are_texts() -> None:
    """Or absent, which is an empty one: a number where text belongs is not left out."""
    assert text_in({}, "name") == text_in({"name": None}, "name") == ""
    with pytest.raises(Unreadable, match="name"):
        text_in({"name": 5}, "name")


def test_made_ids_are_stable_and_differ() -> None:
    """By answer, choice and place; short enough for everybody."""
    wanted = wanted_of("m")
    ids = {
        made_id(wanted, 0, 0),
        made_id(wanted, 0, 1),
        made_id(wanted, 1, 0),
        made_id(wanted_of("m", completion_id="x"), 0, 0),
    }
    assert len(ids) == 4
    assert made_id(wanted, 0, 0) in ids
    assert all(len(found) <= 40 for found in ids)
