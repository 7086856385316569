"""The client: pages to the end, refusals as they are, and whoever does not answer is named."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

import httpx
import pytest

from gateway.control.admin import client as client_module
from gateway.control.admin.client import AdminClient
from gateway.control.admin.errors import RefusedError, UnreachableError, UsageError
from gateway.control.admin.target import Target
from tests.gateway.control.admin.shell import Shell
from tests.gateway.control.api.harness import ADMIN


def answering(monkeypatch: pytest.MonkeyPatch, answer: Callable[[httpx.Request], httpx.Response]) -> AdminClient:
    """A client of something that answers so."""
    monkeypatch.setattr(client_module, "transport", lambda: httpx.MockTransport(answer))
    return AdminClient(Target("http://h", "hush"))


def test_a_list_is_read_to_its_end(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pages it has."""
    monkeypatch.setattr(client_module, "PAGE", 3)
    wanted = [f"app {number}" for number in range(6)]
    for name in wanted:
        shell.portal.call(shell.api.app, name)
    with AdminClient(Target("http://h", ADMIN)) as client:
        assert [row["name"] for row in client.pages("/apps")] == ["Admin", *wanted]
        assert list(client.pages("/llms", {"vendor": "openai"})) == []


def test_a_list_without_pages_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference's tokens have none."""
    client = answering(monkeypatch, lambda _request: httpx.Response(200, json={"data": [{"id": 1}]}))
    assert list(client.pages("/tokens")) == [{"id": 1}]


def test_the_token_is_in_the_header_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are JSON, filters are text."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"data": None})

    answering(monkeypatch, answer).request("PUT", "/apps/1", {"is_active": True}, {"active": True, "page": 2})
    (request,) = seen
    assert request.headers["authorization"] == "Bearer hush"
    assert (request.content, request.url.path) == (b'{"is_active": true}', "/api/v1/apps/1")
    assert dict(request.url.params) == {"active": "true", "page": "2"}


def test_a_refusal_is_the_api_s(shell: Shell) -> None:
    """With its status and its body."""
    with AdminClient(Target("http://h", "wrong")) as client, pytest.raises(RefusedError) as refused:
        client.request("GET", "/apps")
    assert (refused.value.status, refused.value.body["code"]) == (401, "invalid_token")
    assert "wrong" not in str(refused.value)


def test_who_does_not_answer_is_named() -> None:
    """A port that nobody listens on, over the network."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with AdminClient(Target(url, "hush")) as client, pytest.raises(UnreachableError) as refused:
        client.request("GET", "/apps")
    assert url in str(refused.value)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("text", ["<html>", "[]", '"x"', ""])
@pytest.mark.parametrize("status", [200, 502])
def test_who_is_no_gateway_is_told_apart(monkeypatch: pytest.MonkeyPatch, text: str, status: int) -> None:
    """A proxy's page is no refusal of the API."""
    client = answering(monkeypatch, lambda _request: httpx.Response(status, text=text))
    with pytest.raises(UnreachableError, match=f"{status}.*--url"):
        client.request("GET", "/apps")


def test_a_gateway_without_its_api_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its data plane knows no such path, and says so in its own way."""
    body = {"status": 404, "message": "Not Found", "code": "not_found"}
    client = answering(monkeypatch, lambda _request: httpx.Response(404, json=body))
    with pytest.raises(UnreachableError, match=r"404.*control\.enabled"):
        client.request("GET", "/apps")


@pytest.mark.parametrize("url", ["http://h:port", "http://[", "http://a b"])
def test_a_url_that_cannot_be_asked(url: str) -> None:
    """Is a mistake of whoever wrote it, or leads nowhere; never a traceback."""
    with AdminClient(Target(url, "hush")) as client, pytest.raises((UsageError, UnreachableError)):
        client.request("GET", "/apps")


def test_https_is_verified() -> None:
    """With this machine's certificates, and the server's name."""
    found = client_module._certificates()
    assert (found.verify_mode, found.check_hostname) == (ssl.CERT_REQUIRED, True)
    with AdminClient(Target("https://h", "hush")):
        pass
