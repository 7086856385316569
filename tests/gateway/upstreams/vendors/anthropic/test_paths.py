"""Tests of ``gateway.upstreams.vendors.anthropic.paths``: endpoints by the end of their paths."""

from __future__ import annotations

import pytest

from gateway.upstreams.vendors.anthropic.paths import endpoint_of


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/v1/messages", "messages"),
        ("/messages/", "messages"),
        ("/anthropic/v1/messages?beta=true", "messages"),
        ("/v1/messages/count_tokens", "count_tokens"),
        ("/v1/messages/batches", "batches"),
        ("/v1/messages/batches/msgbatch_1", "batch"),
        ("/v1/messages/batches/msgbatch_1/cancel", "batch"),
        ("/v1/messages/batches/../../messages/cancel", "other"),
        ("/v1/messages/batches/a%2f../messages", "messages"),
        ("/v1/messages/batches/msgbatch_1/results", "results"),
        ("/v1/results", "other"),
        ("/v1/models", "other"),
        ("/v1/complete", "other"),
        ("", "other"),
        ("/", "other"),
    ],
)
def test_an_endpoint_is_what_its_path_ends_with(path: str, endpoint: str) -> None:
    """Whatever is before, and with or without a slash behind."""
    assert endpoint_of(path) == endpoint
