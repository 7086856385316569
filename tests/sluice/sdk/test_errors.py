"""Tests of ``sluice.sdk.errors``."""

from __future__ import annotations

import pytest

from sluice.sdk import NotFound, PayloadTooLarge, ScopeDenied, ServiceError, ServiceUnavailable, errors


@pytest.mark.parametrize("error", [NotFound, PayloadTooLarge, ScopeDenied, ServiceUnavailable])
def test_whatever_a_service_raises_is_one_kind(error: type[Exception]) -> None:
    """So that an author who can go on without it catches one; the tree is drawn at the top."""
    assert issubclass(error, ServiceError)
    assert error.__name__ in (errors.__doc__ or "")


def test_a_denied_scope_says_what_to_do() -> None:
    """It names plugin, scope and the registration's key."""
    error = ScopeDenied("limit", "kv.readwrite")
    assert str(error) == ("plugin 'limit' has no scope 'kv.readwrite'; grant it in service_scopes of its registration")
    assert (error.plugin, error.scope) == ("limit", "kv.readwrite")
