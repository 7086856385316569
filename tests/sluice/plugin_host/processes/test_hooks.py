"""Each hook is one method of the protocol; one that the plugin lacks changes nothing."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from sluice.plugin_host.errors import OversizeError
from sluice.plugin_host.processes.calls import Calls
from sluice.plugin_host.processes.hooks import hooks_of_connection
from sluice.plugin_wire import plugin_pb2 as pb
from sluice.sdk.capabilities import Hook
from sluice.sdk.messages import AuthResponse, PluginResponse, ResponseWriteResponse, StreamCompleteResponse
from sluice.sdk.testing import (
    make_auth_request,
    make_context,
    make_request,
    make_response,
    make_stream_complete,
)
from tests.sluice.plugin_host.processes.peers import Peer, calling

HOOKS: tuple[Hook, ...] = get_args(Hook)

MESSAGES: dict[Hook, Any] = {
    "pre_auth": make_request(),
    "auth": make_auth_request("secret"),
    "post_auth": make_request(),
    "response_headers": make_response(b""),
    "response_body": make_response(b"body"),
    "stream_complete": make_stream_complete(b"stream"),
}


class Connection:
    """Whose hooks are called."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self.lacked: list[Hook] = []

    def lacks(self, hook: Hook) -> None:
        self.lacked.append(hook)


@pytest.mark.parametrize(
    ("hook", "method", "answer", "expected"),
    [
        ("pre_auth", "ProcessPreAuth", pb.PluginResponse(modified=True, body=b"n"), PluginResponse.modify(body=b"n")),
        ("post_auth", "ProcessPostAuth", pb.PluginResponse(), PluginResponse.allow()),
        (
            "auth",
            "Authenticate",
            pb.AuthResponse(authenticated=True, app_id="4", user_id="u"),
            AuthResponse.accept(4, "u"),
        ),
        ("response_headers", "OnBeforeWriteHeaders", pb.HeadersResponse(), ResponseWriteResponse.allow()),
        (
            "response_body",
            "OnBeforeWrite",
            pb.ResponseWriteResponse(modified=True, body=b"new"),
            ResponseWriteResponse.modify(body=b"new"),
        ),
        (
            "stream_complete",
            "OnStreamComplete",
            pb.StreamCompleteResponse(handled=True, cached=True),
            StreamCompleteResponse(handled=True, cached=True),
        ),
    ],
)
async def test_a_hook_is_a_method(hook: Hook, method: str, answer: Any, expected: Any) -> None:
    """Asked with the exchange's context, answered in the sdk's own terms."""
    peer = Peer(**{method: answer})
    async with calling(peer) as calls:
        handler = hooks_of_connection(Connection(calls), [hook])[hook]
        assert await handler(make_context(request_id="request-9"), MESSAGES[hook]) == expected
    assert peer.calls == [method]
    assert b"request-9" in peer.requests[method]


@pytest.mark.parametrize("hook", HOOKS)
async def test_a_hook_that_is_not_there_changes_nothing(hook: Hook) -> None:
    """Nobody is authenticated either, and whose hook it is gets to know."""
    async with calling(Peer()) as calls:
        connection = Connection(calls)
        answer = await hooks_of_connection(connection, [hook])[hook](make_context(), MESSAGES[hook])
        assert connection.lacked == [hook]
    assert answer in (
        PluginResponse.allow(),
        ResponseWriteResponse.allow(),
        StreamCompleteResponse(handled=False),
    )


async def test_a_body_beyond_the_limit_is_not_sent() -> None:
    """4 MiB by default: what becomes of it is the chain's to say."""
    peer = Peer(ProcessPostAuth=pb.PluginResponse())
    async with calling(peer) as calls:
        handler = hooks_of_connection(Connection(calls), ["post_auth"])["post_auth"]
        with pytest.raises(OversizeError):
            await handler(make_context(), make_request(body=b"x" * (4 << 20)))
        assert await handler(make_context(), make_request(body=b"x" * (3 << 20))) == PluginResponse.allow()
    assert peer.calls == ["ProcessPostAuth"]
