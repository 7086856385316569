"""The echo: what reaches a plugin, and how streams arrive."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from sluice.plugins.echo_endpoint import METHODS, EchoEndpoint
from sluice.sdk import App
from sluice.sdk.testing import make_context, make_endpoint_request, make_plugin
from tests.gateway.plugin_endpoints.serving import serving


async def test_it_registers_a_catch_all_and_a_stream() -> None:
    """Open to everybody, or with ``require_auth`` to apps alone."""
    for require_auth in (False, True):
        registrations = await make_plugin(EchoEndpoint, require_auth=require_auth).get_endpoint_registrations()
        assert [(each.path, each.methods, each.stream_response) for each in registrations] == [
            ("/*", METHODS, False),
            ("/stream", ("GET",), True),
        ]
        assert [each.require_auth for each in registrations] == [require_auth] * 2


async def test_an_answer_is_the_request_as_json() -> None:
    """All of it but credentials; a body that is no text is replaced, not refused."""
    request = make_endpoint_request(
        "/a/b",
        slug="echo",
        method="POST",
        headers={"X-Kept": "1", "Authorization": "Bearer t", "Cookie": "c", "X-Api-Key": "k"},
        body=b"\xffbody",
        query="q=1",
        app=App(id=3, name="tests"),
        authenticated=True,
        scopes=("api",),
    )
    response = await make_plugin(EchoEndpoint).handle_endpoint_request(make_context(request_id="r-1"), request)
    said = json.loads(response.body)
    assert (response.status_code, response.headers) == (200, {"content-type": "application/json"})
    assert said == {
        "plugin": "echo_endpoint",
        "request_id": "r-1",
        "method": "POST",
        "path": "/plugins/echo/a/b",
        "relative_path": "/a/b",
        "path_segments": ["a", "b"],
        "query": "q=1",
        "headers": {"x-kept": "1"},
        "body": "�body",
        "remote_addr": "192.0.2.1",
        "host": "gateway.example",
        "authenticated": True,
        "app": {"id": 3, "name": "tests"},
        "scopes": ["api"],
    }


async def test_a_stream_is_numbered_events() -> None:
    """So many as configured, each a whole SSE frame; the head first, ``done`` last."""
    plugin = make_plugin(EchoEndpoint, events=2)
    chunks = [each async for each in plugin.handle_endpoint_request_stream(make_context(), make_endpoint_request())]
    assert [each.kind for each in chunks] == ["headers", "body", "body", "done"]
    assert chunks[0].headers["content-type"] == "text/event-stream"
    for number, chunk in enumerate(chunks[1:3], 1):
        lines = chunk.data.decode().split("\n")
        assert lines[:2] == [f"id: {number}", "event: echo"]
        data = json.loads(lines[2].removeprefix("data: "))
        assert (data["number"], data["of"], data["app"]) == (number, 2, None)
        assert lines[3:] == ["", ""]


@pytest.mark.parametrize("config", [{"events": 0}, {"events": 1001}, {"pause_seconds": -1}, {"pause_seconds": 61}])
def test_a_stream_without_end_cannot_be_configured(config: dict[str, float]) -> None:
    """Bounds on how many, and how slowly."""
    with pytest.raises(ValidationError):
        make_plugin(EchoEndpoint, **config)


async def test_it_serves_over_http(tmp_path: Path) -> None:
    """Any path, any method; ``/stream`` streams; every other method there is echoed."""
    plugin = {"name": "echo", "command": "python://sluice.plugins.echo_endpoint:EchoEndpoint"}
    async with serving(tmp_path, plugin) as served:
        for method in METHODS:
            response = await served.ask(method, "/echo/any/where?x=1", content=b"hello")
            said = response.json()
            assert (said["method"], said["relative_path"], said["body"]) == (method, "/any/where", "hello")
        assert (await served.get("/echo")).json()["relative_path"] == "/"
        stream = await served.get("/echo/stream")
        assert stream.headers["content-type"] == "text/event-stream"
        assert stream.text.count("event: echo\n") == 3
        assert (await served.ask("POST", "/echo/stream")).json()["relative_path"] == "/stream"
        assert (await served.recorded(len(METHODS) + 3))["outcome"] == "ok"
