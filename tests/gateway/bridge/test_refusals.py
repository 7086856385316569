"""Vendors' refusals in OpenAI's words."""

from __future__ import annotations

import pytest

from gateway.bridge.refusals import object_of, refusal_of, snake, text_of


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"), (401, "authentication_error"), (403, "permission_error"),
        (404, "not_found_error"), (413, "invalid_request_error"), (429, "rate_limit_error"), (500, "server_error"),
        (529, "server_error"),
    ],
)  # fmt: skip
def test_the_kind_is_of_the_status(status: int, kind: str) -> None:
    """As OpenAI has them; a vendor that says nothing is spoken for by its status."""
    error = refusal_of(status, " ", None)
    assert error.type == kind
    assert str(status) in error.message


def test_words_are_kept_within_a_bound() -> None:
    """A page of HTML is no message."""
    assert len(refusal_of(500, "x" * 100_000, None).message) < 5_000


def test_codes_are_written_as_openai_does() -> None:
    """Whatever a vendor's case."""
    assert [snake(name) for name in ("ThrottlingException", "RESOURCE_EXHAUSTED", "")] == [
        "throttling_exception",
        "resource_exhausted",
        "",
    ]


def test_anything_can_be_a_body() -> None:
    """Only objects say something, and only texts are texts."""
    assert [object_of(body) for body in (b"", b"[]", b"{", b'{"a":1}')] == [{}, {}, {}, {"a": 1}]
    assert [text_of(value) for value in (None, 5, "a")] == ["", "", "a"]
