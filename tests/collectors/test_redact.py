"""``redact``: what can be asked for, and that asking for nothing costs nothing."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from collectors.redact import RedactSettings, redactor_of
from collectors.redaction import Redaction


def test_without_settings_there_is_no_redactor() -> None:
    """The common case has no step 4."""
    assert redactor_of(None) is None
    assert isinstance(redactor_of(RedactSettings(bodies="metadata")), Redaction)


@pytest.mark.parametrize("pattern", ["(", "[", "*", "", "(?=a)", r"(a)\1"])
def test_a_pattern_that_is_none_is_refused(pattern: str) -> None:
    """Before a record is read; so is one whose time has no bound."""
    with pytest.raises(ValidationError):
        RedactSettings(patterns=(pattern,))


@pytest.mark.parametrize(
    ("values", "policy", "has_rules"),
    [
        ({}, "full", False), ({"bodies": "metadata"}, "metadata", False), ({"bodies": "redacted"}, "redacted", True),
        ({"patterns": ["a"]}, "redacted", True), ({"rules": ["email"], "bodies": "full"}, "full", True),
        ({"apps": {7: "redacted"}}, "full", True), ({"apps": {7: "none"}}, "full", False),
    ],
)  # fmt: skip
def test_who_names_rules_wants_bodies_redacted(values: dict[str, Any], policy: str, has_rules: bool) -> None:
    """Unless ``bodies`` says otherwise."""
    settings = RedactSettings.model_validate(values)
    assert (settings.policy, settings.has_rules) == (policy, has_rules)
