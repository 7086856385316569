"""Tests of ``sluice.sdk.messages``."""

from __future__ import annotations

import pytest

from sluice.sdk import Headers, PluginRequest, PluginResponse, ResponseWriteResponse
from sluice.sdk.testing import make_request, make_response


def test_the_three_decisions_about_a_request() -> None:
    """Allow says nothing, modify carries what changes, block carries an answer."""
    assert PluginResponse.allow() == PluginResponse("allow")
    modified = PluginResponse.modify(body=b"", context_updates={"a": "b"})
    assert (modified.decision, modified.body, modified.headers) == ("modify", b"", None)
    blocked = PluginResponse.block(429, "slow down", {"retry-after": "1"})
    assert (blocked.decision, blocked.status_code, blocked.message, blocked.body) == ("block", 429, "slow down", None)
    assert PluginResponse.block().status_code == 403


def test_the_three_decisions_about_a_response() -> None:
    """The same three, without what belongs to requests."""
    assert ResponseWriteResponse.allow() == ResponseWriteResponse("allow")
    assert ResponseWriteResponse.modify(headers={}).headers == {}
    blocked = ResponseWriteResponse.block(451, "withheld", body=b"no")
    assert (blocked.decision, blocked.status_code, blocked.body) == ("block", 451, b"no")


def test_allowing_costs_nothing() -> None:
    """The one answer that nearly every hook gives is made once."""
    assert PluginResponse.allow() is PluginResponse.allow()
    assert ResponseWriteResponse.allow() is ResponseWriteResponse.allow()


@pytest.mark.parametrize("message", [make_request(), make_response(), PluginResponse.allow()])
def test_messages_are_frozen(message: object) -> None:
    """Plugins share them; a change is a new message."""
    name = "body"
    with pytest.raises(AttributeError, match="immutable"):
        setattr(message, name, b"changed")


def test_a_whole_request_is_changed_by_replacing() -> None:
    """The form the reference's plugins use: a copy of the request, in ``modify(request=…)``."""
    request = make_request(b"long", headers={"a": "1"})
    changed = request.replace(body=b"short", headers=request.headers | {"b": "2"})
    answer = PluginResponse.modify(request=changed)
    assert isinstance(answer.request, PluginRequest)
    assert answer.request.headers == Headers({"a": "1", "b": "2"})
    assert request.body == b"long"
