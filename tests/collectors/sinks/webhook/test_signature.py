"""A receiver can check who sent a request, when, and that nothing was changed."""

from __future__ import annotations

import hashlib
import hmac

from collectors.sinks.webhook.signature import signature


def test_the_form_is_fixed() -> None:
    """As the README says: receivers are written against it."""
    expected = hmac.new(b"k", b'1764000000.[{"a":1}]', hashlib.sha256).hexdigest()
    assert signature([b"k"], 1_764_000_000, b'[{"a":1}]') == f"t=1764000000,v1={expected}"


def test_any_change_changes_it() -> None:
    """The time, the body, the secret; and no cut between time and body can be moved."""
    marks = {
        signature([b"k"], 1, b"1.x"),
        signature([b"k"], 11, b".x"),
        signature([b"k"], 1, b"1.y"),
        signature([b"l"], 1, b"1.x"),
        signature([b"k"], 2, b"1.x"),
    }
    assert len({mark.partition("v1=")[2] for mark in marks}) == 5


def test_two_secrets_sign_both() -> None:
    """While receivers change to the new one, those with the old one still find theirs."""
    both = signature([b"new", b"old"], 1, b"x")
    for secret in (b"new", b"old"):
        assert signature([secret], 1, b"x").partition(",")[2] in both
    assert signature([], 1, b"x") == "t=1"
