"""Answers for people: whole where nobody looks, and harmless to a terminal."""

from __future__ import annotations

import json

import pytest

from gateway.control.admin.show import cell, show_body, show_json, show_rows


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        ("", ""),
        ([1], "[1]"),
        ({"ü": 1}, '{"ü": 1}'),
        ("a\x1b[2J\nb", "a [2J b"),
    ],
)
def test_a_cell(value: object, shown: str) -> None:
    """One line, without what moves a cursor."""
    assert cell(value) == shown


def test_markup_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Names may have brackets."""
    show_body({"data": {"name": "[red]x[/red]"}})
    show_rows([{"name": "[bold]y"}], ("name",))
    shown = capsys.readouterr().out
    assert "[red]x[/red]" in shown
    assert "[bold]y" in shown


def test_long_values_are_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """A token of any length, in a file or a pipe."""
    show_body({"data": {"token": "x" * 200}})
    assert "x" * 200 in capsys.readouterr().out


def test_a_list_says_that_there_is_more(capsys: pytest.CaptureFixture[str]) -> None:
    """On the other output, so that a pipe has rows alone."""
    page = {"page": 1, "limit": 20, "total": 45, "total_pages": 3}
    show_body({"data": [{"id": 1}], "pagination": page}, ("id",))
    shown = capsys.readouterr()
    assert (shown.out.split(), "page 1 of 3, 45" in shown.err) == (["id", "1"], True)
    show_body({"data": [], "pagination": {**page, "total": 0, "total_pages": 0}}, ("id",))
    assert capsys.readouterr().err == ""


def test_rows_of_another_dialect_show_what_they_have(capsys: pytest.CaptureFixture[str]) -> None:
    """The first plain fields."""
    show_rows([{"ID": 1, "Name": "a", "Apps": []}], ("id", "slug"))
    assert capsys.readouterr().out.split() == ["ID", "Name", "1", "a"]


def test_a_message_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Is the answer; beside data it stands on the other output."""
    show_body({"message": "done"})
    assert capsys.readouterr() == ("done\n", "")
    show_body({"data": {"id": 1}, "message": "done"})
    assert capsys.readouterr().err == "done\n"


def test_json_is_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    """As it came."""
    show_json({"data": {"name": "日本"}})
    shown = capsys.readouterr().out
    assert json.loads(shown) == {"data": {"name": "日本"}}
    assert "日本" in shown
