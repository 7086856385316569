"""What the API refused is said in one line, with the field; each error has its status."""

from __future__ import annotations

import pytest

from gateway.control.admin.errors import RefusedError, UnreachableError, UsageError


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            {"error": "Invalid request", "message": "name: is required; add it", "field": "name"},
            "Invalid request: name: is required; add it",
        ),
        (
            {"error": "App exists already", "message": "choose another", "field": "name"},
            "App exists already: name: choose another",
        ),
        ({"error": "App not found", "message": "app not found: 7"}, "app not found: 7"),
        ({"error": "Odd"}, "Odd"),
        ({}, "status 418"),
    ],
)
def test_a_refusal_in_a_line(body: dict[str, str], said: str) -> None:
    """Of either dialect."""
    assert str(RefusedError(418, body)) == said


def test_the_status_says_whose_turn_it_is() -> None:
    """1: the API said no. 2: it was not asked."""
    assert (RefusedError(400, {}).exit_code, UnreachableError("x").exit_code, UsageError("x").exit_code) == (1, 2, 2)
