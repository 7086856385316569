"""Scripts and what they refuse."""

from __future__ import annotations

import pytest

from sluice.dev.vendor import ScriptError
from sluice.dev.vendor.script import Script, make_script, parse_script


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("chunk=3", "did you mean 'chunks'"),
        ("chunks=many", "whole number"),
        ("chunks=-1", "whole number"),
        ("status=99", "200 to 599"),
        ("hang=forever", "head, body"),
        ("chunks", "key=value"),
    ],
)
def test_a_script_that_cannot_be_followed_is_refused_by_name(text: str, problem: str) -> None:
    """A misspelt key would be a default in silence."""
    with pytest.raises(ScriptError, match=problem):
        parse_script(text, Script())


def test_the_same_text_is_the_same_script() -> None:
    """Scripts are the key of prebuilt answers: a new object a request would build every answer anew."""
    base = Script()
    assert parse_script("chunks=3; status=200", base) is parse_script("chunks=3; status=200", base)
    assert parse_script("chunks=3", base) is not parse_script("chunks=3", Script())


def test_a_script_changes_what_it_names_alone() -> None:
    """The rest is the base's."""
    script = parse_script("status=429;;retry_after=2", make_script({"delay_ms": 5}))
    assert (script.status, script.retry_after, script.delay_ms, script.chunks) == (429, "2", 5, 4)
