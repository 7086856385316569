"""What is asked for from outside becomes arguments of a command, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.operations.desk.asking import MAX_TEXT, DeskError, Letters, flag_in, text_in


def test_values_stay_values() -> None:
    """One that looks like an option is one argument with its name; what is empty is not asked for."""
    asked = Letters.of({"collector": "--config=/etc/passwd", "reason": "-x y", "kind": "analytics"})
    assert asked.options() == ["--collector=--config=/etc/passwd", "--reason=-x y", "--kind=analytics"]
    assert Letters.of({}).options() == []


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"kind": "no such"}, "kind: 'no such' is none of"),
        ({"collector": 7}, "collector: must be a text"),
        ({"reason": "a\nb"}, "reason: must be a text"),
        ({"reason": "a\x00b"}, "reason: must be a text"),
        ({"collector": "x" * (MAX_TEXT + 1)}, "collector: must be a text"),
    ],
)
def test_what_no_command_line_can_bear_is_refused(asked: dict[str, Any], message: str) -> None:
    """With its name, as 400."""
    with pytest.raises(DeskError, match=message) as refused:
        Letters.of(asked)
    assert refused.value.status == 400


def test_flags_are_flags() -> None:
    """A text ``false`` must not begin a redrive, nor an absent one."""
    assert flag_in({"dry_run": True}, "dry_run")
    assert not flag_in({}, "dry_run")
    with pytest.raises(DeskError, match="dry_run: must be true or false"):
        flag_in({"dry_run": "false"}, "dry_run")
    assert text_in({}, "by") == ""
