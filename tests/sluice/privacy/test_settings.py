"""What redaction can be told, and what it refuses to be told."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sluice.privacy.settings import RulesSettings

SECRET = "0123456789abcdef"


def refusal(**values: Any) -> str:
    """What is said of settings that are refused."""
    with pytest.raises(ValidationError) as caught:
        RulesSettings.model_validate(values)
    return str(caught.value)


def test_a_rule_may_be_a_name_alone() -> None:
    """Or a mapping; both forms are the same."""
    assert RulesSettings.model_validate({"rules": ["email"]}) == RulesSettings.model_validate(
        {"rules": [{"name": "email", "action": "mask"}]}
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"rules": ["emial"]}, "did you mean 'email'?"),
        ({"rules": ["zzz"]}, "known are key, jwt"),
        ({"rules": [{"name": "email", "pattern": "a"}]}, "is a kind that is known"),
        ({"rules": [{"name": "Employee", "pattern": "a"}]}, "name"),
        ({"rules": ["email", "email"]}, "'email' stands twice"),
        ({"rules": [{"name": "email", "action": "last4"}]}, "would show too much"),
        ({"rules": [{"name": "staff", "pattern": "E-[0-9]{6}", "action": "last4"}]}, "would show too much"),
        ({"rules": [{"name": "email", "action": "hash"}]}, "hash_secret"),
        ({"rules": [{"name": "email", "action": "hash"}], "hash_secret": "short"}, "at least 16"),
        ({"rules": [{"name": "email", "action": "shred"}]}, "'mask', 'remove', 'hash' or 'last4'"),
        ({"fields": []}, "at least 1"),
        ({"fields": ["request"]}, "request_body"),
        ({"patterns": [""]}, "from 1 to 1000"),
        ({"patterns": ["a" * 1001]}, "from 1 to 1000"),
        ({"patterns": ["(?<=a)b"]}, "lookarounds"),
        ({"rule": []}, "rule"),
    ],
)
def test_what_cannot_be_applied_is_refused(values: dict[str, Any], said: str) -> None:
    """By its key, with what may stand there instead."""
    assert said in refusal(**values)


def test_a_secret_is_not_shown() -> None:
    """By what is printed of settings."""
    rules = [{"name": "email", "action": "hash"}]
    assert SECRET not in repr(RulesSettings.model_validate({"rules": rules, "hash_secret": SECRET}))
