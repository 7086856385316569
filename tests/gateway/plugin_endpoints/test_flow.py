"""Calls of endpoints from the first byte to the last, over real HTTP: routes, access, bounds, and what is recorded."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio

from gateway.asgi import Gateway
from gateway.control.file_entities import entities_of
from sluice.eventlog.interface import CommitFailedError
from tests.gateway.plugin_endpoints.endpoint_plugins import EVENTS
from tests.gateway.plugin_endpoints.serving import PLUGINS, Served, serving, until

UNARY = {"name": "unary", "command": f"{PLUGINS}:Unary"}
SCRIPTED = {"name": "scripted", "command": f"{PLUGINS}:Scripted", "config": {"slug": "s"}}

pytestmark = pytest.mark.asyncio(loop_scope="module")
"""One gateway serves most of these tests: starting and draining it takes longer than what they ask of it."""


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="shared")
async def served_for_all(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """Two plugins, one of them under a slug of its own."""
    async with serving(tmp_path_factory.mktemp("flow"), UNARY, SCRIPTED, bounds={"max_body_bytes": 100}) as served:
        yield served


@pytest.fixture(name="served")
def served_afresh(shared: Served) -> Served:
    """With nothing recorded yet."""
    EVENTS.clear()
    shared.log.exchanges.clear()
    return shared


async def raw(served: Served, request: bytes) -> bytes:
    """What comes back for bytes as they are, to the connection's end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]))
    writer.write(request)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    return answer


async def raw_get(served: Served, path: str, method: str = "GET") -> tuple[int, Any]:
    """Status and JSON for a path that no client library has touched."""
    answer = await raw(served, f"{method} {path} HTTP/1.0\r\nhost: a\r\n\r\n".encode("latin-1"))
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head[9:12]), orjson.loads(body) if body else None


@pytest.mark.parametrize(
    ("path", "relative", "parameters"),
    [
        ("/plugins/unary", "/", {}),
        ("/plugins/unary/", "/", {}),
        ("/plugins/unary/open", "/open", {}),
        ("/plugins/unary/open/a%2Fb", "/open/a/b", {"name": "a/b"}),
        ("/plugins/unary/open/%C3%A9", "/open/é", {"name": "é"}),
        ("/plugins/unary/open/x/known", "/open/x/known", {"name": "x"}),
        ("/plugins/%75nary/open", "/open", {}),
        ("/plugins/unary/files", "/files", {"*": ""}),
        ("/plugins/unary/files/a/b//c.txt", "/files/a/b//c.txt", {"*": "a/b//c.txt"}),
    ],
)
async def test_a_path_reaches_its_endpoint_decoded(
    served: Served, path: str, relative: str, parameters: dict[str, str]
) -> None:
    """At any depth; the plugin is told what stood at its parameters."""
    status, said = await raw_get(served, path)
    assert (status, said["relative_path"], said["parameters"]) == (200, relative, parameters)
    log = await served.recorded()
    assert (log["path"], log["outcome"]) == (path, "ok")


@pytest.mark.parametrize(
    "path",
    [
        "/plugins/unary/../unary/open",
        "/plugins/unary/files/..",
        "/plugins/unary/files/%2e%2e/passwd",
        "/plugins/unary/files/a%2f..%2fb",
        "/plugins/unary/files/..%5c..",
        "/plugins/unary/files/%00",
        "/plugins/unary/files/%ff",
        "/plugins/unary/files/%",
    ],
)
async def test_a_path_that_climbs_or_cannot_be_read_is_400(served: Served, path: str) -> None:
    """Encoded or not; no plugin sees it."""
    status, said = await raw_get(served, path)
    assert (status, said["code"]) == (400, "request_invalid")
    log = await served.recorded()
    assert (log["outcome"], log["plugins"]) == ("request_invalid", [])


@pytest.mark.parametrize(
    "path",
    ["/plugins/", "/plugins/nobody", "/plugins/nobody/open", "/plugins/scripted/do/brief", "/plugins/unary/nothing",
     "/plugins/unary/open/", "/plugins/unary/open/a/b", "/plugins/UNARY/open", "/plugins//unary/open"],
)  # fmt: skip
async def test_what_nobody_registered_is_404(served: Served, path: str) -> None:
    """In JSON, recorded; a name is no slug where the plugin has another, and ``{name}`` is not empty."""
    status, said = await raw_get(served, path)
    assert (status, said["code"]) == (404, "endpoint_unknown")
    log = await served.recorded()
    assert (log["outcome"], log["error_kind"], log["response_code"]) == ("request_invalid", "endpoint_unknown", 404)


@pytest.mark.parametrize("path", ["/plugins", "/Plugins/unary/open", "/%70lugins/unary/open", "//plugins/unary/open"])
async def test_what_is_spelt_otherwise_is_not_a_plugin_s(served: Served, path: str) -> None:
    """The application answers, and nothing is recorded."""
    status, said = await raw_get(served, path)
    assert (status, said["code"]) == (404, "not_found")
    assert served.log.exchanges == []


async def test_a_wrong_method_is_405_with_the_right_ones(served: Served) -> None:
    """All that the path can be asked with, HEAD and OPTIONS among them; JSON; the plugin sees nothing."""
    response = await served.ask("DELETE", "/unary/open")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD, POST, OPTIONS")
    assert response.json()["code"] == "method_not_allowed"
    log = await served.recorded()
    assert (log["outcome"], log["error_kind"], log["plugins"]) == ("request_invalid", "method_not_allowed", [])
    assert (await raw_get(served, "/plugins/unary/open", "PURGE"))[0] == 405


async def test_options_is_answered_unless_it_is_registered(served: Served) -> None:
    """204 with Allow, without a token, whoever the endpoint is for; 404 where there is no endpoint."""
    response = await served.ask("OPTIONS", "/unary/mine")
    assert (response.status_code, response.headers["allow"], response.content) == (204, "GET, HEAD, POST, OPTIONS", b"")
    log = await served.recorded()
    assert (log["outcome"], log["response_code"], log["plugins"]) == ("ok", 204, [])
    assert (await served.ask("OPTIONS", "/unary/head")).json()["method"] == "OPTIONS"
    assert (await served.ask("OPTIONS", "/unary/nothing")).status_code == 404


async def test_head_is_answered_from_get(served: Served) -> None:
    """The plugin sees a GET where it registered no HEAD; the client gets the head alone."""
    get, head = await served.get("/unary/open"), await served.ask("HEAD", "/unary/open")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(get.content))
    assert (await served.recorded(2))["method"] == "HEAD"


async def test_the_plugin_gets_the_request_as_it_was_sent(served: Served) -> None:
    """Every method, body, query, headers with several values, ids and trace."""
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = [("x-many", "1"), ("x-many", "2"), ("x-request-id", "mine-1"), ("traceparent", traceparent),
               ("tracestate", "a=b")]  # fmt: skip
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        response = await served.client.request(
            method, "/plugins/unary/open/x?a=%20&b", headers=headers, content=b"\x00body"
        )
        said = response.json()
        assert (said["method"], said["body"], said["query"], said["x-many"]) == (
            method,
            "\x00body",
            "a=%20&b",
            ["1", "2"],
        )
        assert said["ctx"] == [None, None, "mine-1", "gateway-1", "gateway",
                               {"traceparent": traceparent, "tracestate": "a=b"}]  # fmt: skip
        assert response.headers["x-request-id"] == "mine-1"
    assert (await served.recorded(4))["trace_id"] == traceparent[3:35]


@pytest.mark.parametrize(
    ("path", "token", "status", "outcome", "code"),
    [
        ("/unary/mine", "", 401, "auth_failed", "missing_credential"),
        ("/unary/mine", "nobody", 401, "auth_failed", "invalid_token"),
        ("/unary/mine", "expired", 401, "auth_failed", "expired_token"),
        ("/unary/mine", "inactive", 403, "access_denied", "access_denied"),
        ("/unary/mine", "elsewhere", 403, "access_denied", "access_denied"),
        ("/unary/mine", "admin", 403, "access_denied", "missing_scope"),
        ("/unary/admin", "api", 403, "access_denied", "missing_scope"),
        ("/unary/both", "admin", 403, "access_denied", "missing_scope"),
        ("/s/my-stream/sse", "", 401, "auth_failed", "missing_credential"),
        ("/s/my-stream/sse", "admin", 403, "access_denied", "missing_scope"),
    ],
)
async def test_who_may_not_call_is_told_why(
    served: Served, path: str, token: str, status: int, outcome: str, code: str
) -> None:
    """401 for who proves nothing, 403 for who may not; the body is not read, and no plugin sees anything."""
    response = await served.get(path, token)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert ("www-authenticate" in response.headers) is (status == 401)
    log = await served.recorded()
    assert (log["outcome"], log["error_kind"], log["plugins"]) == (outcome, code, [])
    assert (log["app_id"] is None) is (status == 401)


@pytest.mark.parametrize(
    ("path", "token", "scopes"), [("/unary/mine", "api", ["api"]), ("/unary/admin", "both", ["admin", "api"])]
)
async def test_who_may_call_is_named_to_the_plugin(served: Served, path: str, token: str, scopes: list[str]) -> None:
    """The app, the scopes of the token; the context has app and person; the record too, and no analytics."""
    said = (await served.get(path, token)).json()
    assert (said["authenticated"], said["app"], said["scopes"]) == (True, [1, "tests", 600, []], scopes)
    assert said["ctx"][:2] == [1, 7]
    log = await served.recorded()  # the proxy log alone, as it asserts
    assert (log["app_id"], log["user_id"], log["llm_id"], log["llm_slug"], log["vendor"]) == (1, 7, None, "", "")
    assert (log["model_name"], log["upstream_status"]) == (None, None)


async def test_without_require_auth_a_token_is_nobody_s(served: Served) -> None:
    """The plugin gets no app, the record neither; a ``token`` in the query is the plugin's own."""
    said = (await served.get("/unary/open?token=api", "api")).json()
    assert (said["authenticated"], said["app"], said["query"]) == (False, None, "token=api")
    log = await served.recorded()
    assert (log["app_id"], log["path"]) == (None, "/plugins/unary/open")


async def test_a_trace_that_means_nothing_is_not_shown(served: Served) -> None:
    """As in hooks: no ``tracestate`` without a ``traceparent``; several lines are one list."""
    response = await served.get("/unary/open", headers={"tracestate": "a=b"})
    assert response.json()["ctx"][-1] == {}
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = [("traceparent", traceparent), ("tracestate", "a=b"), ("tracestate", "c=d")]
    response = await served.client.get("/plugins/unary/open", headers=headers)
    assert response.json()["ctx"][-1]["tracestate"] == "a=b,c=d"


@pytest.mark.parametrize("token", ["api", "admin", "nobody"])
async def test_a_token_in_the_query_is_in_no_record(served: Served, token: str) -> None:
    """Taken out before the plugin and the record see it, whatever it proves."""
    response = await served.get(f"/unary/mine?a=1&token={token}&b=2")
    if token == "api":
        assert response.json()["query"] == "a=1&b=2"
    log = await served.recorded()
    assert f"token={token}" not in repr(log)
    assert log["path"] == ("/plugins/unary/mine" if token == "nobody" else "/plugins/unary/mine?a=1&b=2")


async def test_bodies_are_recorded_as_the_app_wants(served: Served) -> None:
    """Both of them with an app that keeps them; none with one that does not, and none of nobody; sizes always."""
    await served.ask("POST", "/unary/mine", "api", content=b"sent")
    log = await served.recorded()
    assert (log["request_body"], log["request_body_bytes"]) == (b"sent", 4)
    assert orjson.loads(log["response_body"])["body"] == "sent"
    assert not any("api" in line for line in log["request_headers"] if line.startswith("authorization"))
    await served.ask("POST", "/unary/mine", "bodiless", content=b"sent")
    log = await served.recorded(2)
    assert (log["request_body"], log["request_body_bytes"], log["response_body"], log["app_id"]) == (None, 4, None, 4)
    await served.ask("POST", "/unary/open", "api", content=b"sent")
    log = await served.recorded(3)
    assert (log["request_body"], log["request_body_bytes"], log["response_body"]) == (None, 4, None)
    assert log["response_body_bytes"] > 0
    await served.get("/s/my-stream/sse", "api")
    assert (await served.recorded(4))["response_body"] == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"


async def test_a_body_beyond_its_bound_is_413(served: Served) -> None:
    """Said by its length or not; the bound is named, the connection closed, the plugin not called."""
    for content in (bytes(101), _chunks(20, 10)):
        response = await served.ask("POST", "/unary/open", content=content)
        assert (response.status_code, response.json()["code"]) == (413, "request_too_large")
        assert "larger than 100 bytes (plugin_host.endpoints.max_body_bytes)" in response.json()["error"]
        assert response.headers["connection"] == "close"
    assert (await served.ask("POST", "/unary/open", content=_chunks(10, 10))).status_code == 200
    logs = [each["proxy_log"] for each in served.log.exchanges]
    assert [log["outcome"] for log in logs] == ["request_too_large", "request_too_large", "ok"]
    assert logs[0]["plugins"] == []


async def _chunks(size: int, count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield bytes(size)


async def test_a_flood_in_chunks_ends(served: Served) -> None:
    """A client that never ends its body is refused at the bound."""
    _, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]))
    writer.write(b"POST /plugins/unary/open HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")

    async def flood() -> None:
        while True:
            writer.write(b"400\r\n" + bytes(1024) + b"\r\n")
            await writer.drain()

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(flood(), 10)
    assert (await served.recorded())["outcome"] == "request_too_large"
    writer.close()


async def test_a_client_that_leaves_in_its_body_is_recorded(served: Served) -> None:
    """As gone; the plugin never saw it."""
    _, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]))
    writer.write(b"POST /plugins/unary/open HTTP/1.1\r\nhost: a\r\ncontent-length: 50\r\n\r\nhalf")
    await until(lambda: served.sweep.in_flight)
    writer.close()
    log = await served.recorded()
    assert (log["outcome"], log["plugins"]) == ("client_closed", [])


async def test_requests_of_one_connection_are_answered_in_order(served: Served) -> None:
    """Also when they come at once, and one before them is waited for."""
    request = b"GET /plugins/%s HTTP/1.1\r\nhost: a\r\n%s\r\n"
    answer = await raw(
        served,
        request % (b"s/do/brief", b"")
        + request % (b"s/stream/sse", b"")
        + request % (b"unary/nothing", b"")
        + request % (b"s/do/teapot", b"connection: close\r\n"),
    )
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"200", b"404", b"418"]
    assert answer.endswith(b"short and stout")


async def test_the_last_byte_waits_for_the_record(served: Served) -> None:
    """An answer that is whole does not begin before, a stream does not end."""
    served.log.released.clear()
    async with asyncio.TaskGroup() as tasks:
        whole = tasks.create_task(served.get("/s/do/brief"))
        stream = tasks.create_task(served.get("/s/stream/sse"))
        await until(lambda: served.log.waiting == 2)
        await asyncio.sleep(0.01)
        assert [whole.done(), stream.done()] == [False, False]
        served.log.released.set()
    assert (whole.result().text, stream.result().status_code) == ("after a while", 200)


async def test_a_record_that_fails_closes_the_connection_without_the_last_byte(served: Served) -> None:
    """Whole or streamed: nobody takes the answer for complete."""
    served.log.error = CommitFailedError("the disk is gone")
    try:
        for path in ("/s/do/brief", "/s/stream/sse", "/unary/nothing"):
            with pytest.raises(httpx.TransportError):
                await served.get(path)
    finally:
        served.log.error = None
    assert served.log.exchanges == []
    assert (await served.get("/s/do/brief")).status_code == 200


async def test_without_room_for_its_record_a_call_is_refused(served: Served) -> None:
    """503 before the plugin is called; counted alone."""
    served.log.has_room = False
    try:
        response = await served.get("/s/do/wait")
    finally:
        served.log.has_room = True
    assert (response.status_code, response.json()["code"]) == (503, "eventlog_unavailable")
    assert response.headers["retry-after"] == "5"
    assert (served.log.exchanges, EVENTS) == ([], [])


async def test_more_than_the_gateway_takes_at_once_are_refused(tmp_path: Path) -> None:
    """Calls of endpoints count among the exchanges in flight."""
    async with serving(tmp_path, SCRIPTED, gateway={"max_in_flight": 1}) as served, asyncio.TaskGroup() as tasks:
        EVENTS.clear()
        first = tasks.create_task(served.get("/s/do/wait"))
        await until(lambda: "began" in EVENTS)
        response = await served.get("/s/do/brief")
        assert (response.status_code, response.json()["code"]) == (503, "overloaded")
        first.cancel()


async def test_a_client_that_sends_no_body_is_given_up(tmp_path: Path) -> None:
    """Its time to send ends, whatever the plugin's."""
    async with serving(tmp_path, UNARY, gateway={"client_read_timeout_seconds": 0.1}) as served:
        assert await raw(served, b"POST /plugins/unary/open HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n") == b""
        assert (await served.recorded())["outcome"] == "client_closed"


async def test_plugins_that_change_serve_from_the_next_call_on(tmp_path: Path) -> None:
    """The mapping is another, so is the table; a call under way ends with the plugin that it began with, and its
    exchange is among those that the retiring of plugins waits for."""
    async with serving(tmp_path, SCRIPTED, UNARY) as served, asyncio.TaskGroup() as tasks:
        EVENTS.clear()
        old = served.plugins.endpoints
        call = tasks.create_task(served.get("/s/stream/endless"))
        await until(lambda: "began" in EVENTS)
        under_way = list(served.sweep.exchanges)
        served.serving = {"other": old["unary"]}
        assert (await served.get("/s/do/brief")).status_code == 404
        assert (await served.get("/other/open")).status_code == 200
        assert (await served.get("/unary/open")).status_code == 404
        assert list(served.sweep.exchanges) == under_way
        assert EVENTS == ["began"]
        call.cancel()
        await until(lambda: EVENTS == ["began", "closed"])


async def test_a_plugin_that_is_loaded_anew_answers_beside_the_one_before_it(tmp_path: Path) -> None:
    """Its slug is the new one from then on; the stream that began with the one before it goes on to its end."""
    async with serving(tmp_path, SCRIPTED) as served:
        EVENTS.clear()
        entities = entities_of(served.settings)
        (plugin,) = entities.plugins.values()
        async with served.client.stream("GET", "/plugins/s/stream/endless") as stream:
            pieces = stream.aiter_bytes()
            assert await anext(pieces)
            served.plugins.take({plugin.id: replace(plugin, config={"slug": "t"}, version=2)})
            (before,) = await served.plugins.reconcile(entities.llms)
            assert (await served.get("/t/do/brief")).status_code == 200
            assert (await served.get("/s/do/brief")).status_code == 404
            for _ in range(3):
                assert await anext(pieces)
            assert EVENTS == ["began"]
        await until(lambda: EVENTS == ["began", "closed"])
        await served.plugins.retire([before])
        assert (await served.get("/t/do/brief")).status_code == 200


async def test_a_fault_of_ours_is_an_answer_too(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """500 with the exchange's id to look for; recorded; the next call is served."""
    monkeypatch.setattr("gateway.plugin_endpoints.flow.request_of", lambda *_: 1 / 0)
    response = await served.get("/unary/open")
    assert (response.status_code, response.json()["code"]) == (500, "gateway_error")
    monkeypatch.undo()
    assert (await served.recorded())["outcome"] == "gateway_error"
    assert (await served.get("/unary/open")).status_code == 200


async def test_a_gateway_without_endpoints_leaves_the_paths_to_the_application() -> None:
    """Nobody pays for what is not there."""
    seen = []

    async def application(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["raw_path"])

    await Gateway(None, application)({"type": "http", "raw_path": b"/plugins/a/b"}, None, None)  # type: ignore[arg-type]
    assert seen == [b"/plugins/a/b"]
