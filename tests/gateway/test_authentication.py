"""Step 3 by plugins: who they prove is held to the rules of tokens, and tokens never stand in for them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas.events import Kind
from sluice.dev.vendor import MockVendor
from sluice.sdk import (
    AuthHandler,
    AuthRequest,
    AuthResponse,
    BasePlugin,
    Context,
    Credential,
    EnrichedRequest,
    PluginResponse,
    PostAuthHandler,
)
from tests.gateway.flow import TOKEN, Flow, running
from tests.gateway.plugged import Plugins, plugged_sections

ASKED: list[AuthRequest] = []
KNEW: list[tuple[EnrichedRequest, dict[str, Any]]] = []
"""What a post-auth plugin was told: its request, and its context as it was."""


@pytest.fixture(autouse=True)
def _unseen() -> None:
    ASKED.clear()
    KNEW.clear()


class Keys(BasePlugin, AuthHandler):
    """Its credentials say what becomes of them: ``app 2``, ``block 429``, ``raise`` …"""

    async def handle_auth(self, ctx: Context, request: AuthRequest) -> AuthResponse | Credential | PluginResponse:
        ASKED.append(request)
        assert ctx.app_id is None
        verb, _, word = request.credential.partition("-")
        answers: dict[str, Any] = {
            "app": lambda: AuthResponse.accept(int(word)),
            "user": lambda: AuthResponse.accept(1, word, {"team": "red"}, "Ada"),
            "seed": lambda: Credential(user_id=word, claims={"team": "blue"}, app_id=1),
            "nobody": AuthResponse.accept,
            "block": lambda: PluginResponse.block(int(word), "slow down", {"retry-after": "9"}),
            "login": lambda: PluginResponse.block(302, headers={"location": "https://login.example/"}, body=b"go"),
            "raise": lambda: 1 / 0,
            "": PluginResponse.allow,
        }
        return answers.get(verb, lambda: AuthResponse.reject(f"no {verb}"))()  # type: ignore[no-any-return]


class Second(BasePlugin, AuthHandler):
    """Knows one credential, and rejects all others without a word."""

    async def handle_auth(self, ctx: Context, request: AuthRequest) -> AuthResponse:
        return AuthResponse.accept(1) if request.credential == "second" else AuthResponse.reject()


class Witness(BasePlugin, PostAuthHandler):
    """Says who it was told that it is."""

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        names = ("app_id", "user_id", "claims", "edge_id", "edge_namespace", "vendor", "trace_context")
        KNEW.append((request, {name: getattr(ctx, name) for name in names}))
        return PluginResponse.allow()


@contextlib.asynccontextmanager
async def guarded(
    folder: Path, vendor: MockVendor, plugins: Plugins | None = None, **sections: Any
) -> AsyncIterator[Flow]:
    """A gateway whose LLM asks plugins who calls."""
    settings = plugged_sections(vendor.url, plugins or {Keys: {}, Witness: {}})
    apps = [
        *settings["apps"],
        {"id": 3, "name": "asleep", "is_active": False, "llms": ["demo"]},
        {"id": 4, "name": "elsewhere", "allowed_ips": ["192.0.2.0/24"], "llms": ["demo"]},
    ]
    async with running(folder, vendor.url, **{**settings, "apps": apps, **sections}) as flow:
        yield flow


async def call(flow: Flow, credential: str, name: str = "authorization") -> tuple[httpx.Response, dict[Kind, Any]]:
    """One request with this credential, and its events."""
    count = len(flow.log.exchanges) + 1
    value = f"Bearer {credential}" if name == "authorization" else credential
    others = {} if name == "authorization" else {"authorization": ""}
    answer = await flow.post(headers={**others, name: value})
    return answer, await flow.recorded(count)


async def test_an_accepted_credential_is_its_app_s_exchange(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Authenticated, charged and recorded as with a token of that app; its user is the app's where none is said."""
    async with guarded(tmp_path, mock_vendor) as flow:
        answer, events = await call(flow, "app-1")
    assert answer.status_code == 200
    assert set(events) == {"proxy_log", "analytics", "budget"}
    assert {(event["app_id"], event["user_id"]) for event in events.values()} == {(1, 7)}
    assert (KNEW[0][0].app_id, KNEW[0][0].user_id, KNEW[0][0].authenticated) == (1, "7", True)
    assert dict(mock_vendor.requests[-1].headers)["authorization"] == "Bearer vendor-key"


@pytest.mark.parametrize(
    ("name", "value", "credential", "auth_type"),
    [
        ("authorization", "Bearer app-1", "app-1", "bearer"),
        ("x-api-key", "app-1", "app-1", "api_key"),
        ("api-key", "app-1", "app-1", "api_key"),
        ("authorization", "Basic app-1", "", ""),
        ("x-other", "app-1", "", ""),
    ],
)
async def test_a_plugin_is_given_what_the_client_presents(
    mock_vendor: MockVendor, tmp_path: Path, name: str, value: str, credential: str, auth_type: str
) -> None:
    """Without its scheme, where this vendor's SDKs put it; the whole request is there for everything else."""
    async with guarded(tmp_path, mock_vendor) as flow:
        answer = await flow.post(headers={"authorization": "", name: value})
    (asked,) = ASKED
    assert (asked.credential, asked.auth_type) == (credential, auth_type)
    assert (asked.method, asked.path, asked.body) == ("POST", "/chat/completions", answer.request.content)
    assert answer.status_code == (200 if credential else 401)


async def test_a_good_token_is_nothing_where_plugins_decide(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Neither where a plugin rejects it, nor where it fails, whatever its failures may open."""
    for folder, policy in (("closed", {}), ("open", {"on_failure": "open"})):
        (tmp_path / folder).mkdir()
        async with guarded(tmp_path / folder, mock_vendor, {Keys: policy}) as flow:
            answer, _ = await call(flow, TOKEN)
            assert (answer.status_code, answer.json()["code"]) == (401, "auth_failed")
            answer, events = await call(flow, "raise-1")
            expected = (401, "auth_failed") if folder == "open" else (502, "plugin_failed")
            assert (answer.status_code, events["proxy_log"]["outcome"]) == expected
    assert not mock_vendor.requests


@pytest.mark.parametrize(
    ("credential", "status", "code", "app_id"),
    [
        ("nobody", 401, "auth_app_unknown", None),
        ("app-99", 401, "auth_app_unknown", None),
        ("app-0", 401, "auth_app_unknown", None),
        ("app-2", 403, "access_denied", 2),
        ("app-3", 403, "access_denied", 3),
        ("app-4", 403, "access_denied", 4),
        ("other", 401, "auth_failed", None),
        ("-", 401, "auth_failed", None),
    ],
)
async def test_who_is_proved_is_held_to_the_rules_of_tokens(
    mock_vendor: MockVendor, tmp_path: Path, credential: str, status: int, code: str, app_id: int | None
) -> None:
    """An app that is known, active, linked to the LLM, and calls from where it may; never a default app."""
    async with guarded(tmp_path, mock_vendor) as flow:
        answer, events = await call(flow, credential)
    log = events["proxy_log"]
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (log["outcome"], log["error_kind"], log["app_id"]) == (
        "auth_failed" if status == 401 else "access_denied", code, app_id,
    )  # fmt: skip
    assert (log["request_body"] is None) == (app_id is None)
    assert not mock_vendor.requests


async def test_a_rejection_has_the_plugin_s_words(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Of the last that rejected it; ours where it said nothing."""
    async with guarded(tmp_path, mock_vendor) as flow:
        answer, _ = await call(flow, "other")
        assert answer.json()["message"] == "no other"
        assert answer.headers["www-authenticate"].startswith("Bearer")
    (tmp_path / "two").mkdir()
    async with guarded(tmp_path / "two", mock_vendor, {Keys: {}, Second: {}}) as flow:
        answer, _ = await call(flow, "other")
        assert answer.json()["message"] == "the credential was not accepted"
        answer, events = await call(flow, "second")
        assert answer.status_code == 200
        timings = [(each["plugin"], each["hook"]) for each in events["proxy_log"]["plugins"]]
        assert timings == [("Keys", "auth"), ("Second", "auth")]


async def test_a_block_is_the_plugin_s_own_answer(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """With its status and headers; below 400 it is an answer."""
    async with guarded(tmp_path, mock_vendor) as flow:
        answer, events = await call(flow, "block-429")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "9")
        assert answer.json()["message"] == "slow down"
        assert (events["proxy_log"]["outcome"], set(events)) == ("auth_failed", {"proxy_log"})
        answer, events = await call(flow, "login")
        assert (answer.status_code, answer.headers["location"]) == (302, "https://login.example/")
        assert (answer.content, events["proxy_log"]["outcome"]) == (b"go", "answered_by_plugin")


@pytest.mark.parametrize(
    ("credential", "user_id", "labels"),
    [
        ("user-42", 42, []),
        ("user-ada@example.com", None, ["user:ada@example.com"]),
        ("user-" + "9" * 30, None, ["user:" + "9" * 30]),
        ("user-" + "a" * 900, None, ["user:" + "a" * 251]),
        ("seed-42", 42, []),
    ],
)
async def test_the_person_is_in_hooks_and_events(
    mock_vendor: MockVendor, tmp_path: Path, credential: str, user_id: int | None, labels: list[str]
) -> None:
    """As a number where it is one, else as a label of bounded length; claims are for plugins alone."""
    person = credential.partition("-")[2]
    async with guarded(tmp_path, mock_vendor) as flow:
        answer, events = await call(flow, credential)
    assert answer.status_code == 200
    assert {event["user_id"] for event in events.values()} == {user_id}
    assert [event["labels"] for event in events.values()] == [labels] * 3
    request, context = KNEW[0]
    claims = {"team": "blue"} if credential.startswith("seed") else {"team": "red", "username": "Ada"}
    assert (request.user_id, dict(request.auth_claims)) == (person, claims)
    assert (context["user_id"], dict(context["claims"]), context["app_id"]) == (user_id, claims, 1)


async def test_plugins_know_where_they_run(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """The gateway's id and namespace, the vendor, and the trace to continue; a trace that cannot be read is none."""
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    own = {"id": "edge-7", "namespace": "eu"}
    async with guarded(tmp_path, mock_vendor, gateway=own) as flow:
        sent = {"authorization": "Bearer app-1", "traceparent": parent, "tracestate": "a=1,b=2"}
        await flow.post(headers=sent)
        await flow.post(headers={**sent, "traceparent": "nonsense"})
    (_, first), (_, second) = KNEW
    assert (first["edge_id"], first["edge_namespace"], first["vendor"]) == ("edge-7", "eu", "openai")
    assert dict(first["trace_context"]) == {"traceparent": parent, "tracestate": "a=1,b=2"}
    assert dict(second["trace_context"]) == {}
    upstream, other = (dict(request.headers) for request in list(mock_vendor.requests)[-2:])
    assert (upstream["traceparent"], upstream["tracestate"]) == (parent, "a=1,b=2")
    assert {"traceparent", "tracestate"}.isdisjoint(other)
