"""Tests of ``sluice.sdk.wire.auth``."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from sluice.plugin_wire import plugin_pb2 as pb
from sluice.sdk import App, AuthRequest, AuthResponse, Credential, Headers, PluginResponse, User, wire
from tests.sluice.sdk.wire.strategies import APPS, IDS, NO_IDS, TEXT_MAPS, TEXTS, USERS, context_of, for_all, sent

ANSWERS = st.builds(
    AuthResponse,
    authenticated=st.booleans(),
    user_id=TEXTS,
    app_id=NO_IDS,
    claims=TEXT_MAPS,
    message=TEXTS,
    username=TEXTS,
)


@for_all(TEXTS, TEXTS)
def test_a_credential_comes_back_whole(credential: str, auth_type: str) -> None:
    """With the request that brought it."""
    headers = Headers({"authorization": "Bearer x"})
    request = AuthRequest("POST", "/p", "q", headers, b"b", "::1", credential, auth_type)
    assert wire.auth_request_from_wire(sent(wire.auth_request_to_wire(context_of(), request))) == request


@for_all(ANSWERS)
def test_an_answer_comes_back_as_it_was_given(answer: AuthResponse) -> None:
    """Accepted or rejected."""
    assert wire.auth_response_from_wire(sent(wire.auth_response_to_wire(answer))) == answer


def test_a_credential_as_answer_is_an_acceptance() -> None:
    """The older shape; without an app the host asks for it."""
    credential = Credential(user_id="u", username="U", claims={"a": "b"})
    back = wire.auth_response_from_wire(wire.auth_response_to_wire(credential))
    assert back == AuthResponse.accept(user_id="u", username="U", claims={"a": "b"})


def test_a_block_keeps_its_status_and_headers() -> None:
    """To a peer it is a rejection with a message."""
    block = PluginResponse.block(401, "Invalid token", Headers({"www-authenticate": "Bearer"}))
    message = sent(wire.auth_response_to_wire(block))
    assert (message.authenticated, message.error_message) == (False, "Invalid token")
    assert wire.auth_response_from_wire(message) == block


def test_no_opinion_is_not_a_rejection() -> None:
    """The next plugin is asked either way, but only one of them has something to say to the client."""
    assert (
        wire.auth_response_from_wire(sent(wire.auth_response_to_wire(PluginResponse.allow()))) == PluginResponse.allow()
    )


def test_a_request_cannot_be_changed_here() -> None:
    """It would be lost in silence."""
    with pytest.raises(ValueError, match="cannot modify"):
        wire.auth_response_to_wire(PluginResponse.modify(body=b"x"))


def test_an_app_that_is_no_number_is_none() -> None:
    """Real plugins say ``plugin-app``: that is no app, and never the first one."""
    answer = wire.auth_response_from_wire(pb.AuthResponse(authenticated=True, app_id="plugin-app", user_id="u"))
    assert answer == AuthResponse.accept(user_id="u")


@for_all(st.none() | IDS | APPS)
def test_an_app_found_by_its_credential_comes_back(found: App | int | None) -> None:
    """Whole, by its id alone, or not at all."""
    back = wire.app_response_from_wire(sent(wire.app_response_to_wire(found)))
    assert back == found
    assert type(back) is type(found)


@for_all(st.none() | USERS)
def test_a_user_found_by_its_credential_comes_back(found: User | None) -> None:
    """Whole, or not at all."""
    assert wire.user_response_from_wire(sent(wire.user_response_to_wire(found))) == found


def test_what_a_peer_did_not_find_is_none() -> None:
    """Without success, without a record, or with a record of nobody."""
    assert wire.app_response_from_wire(pb.GetAppResponse(success=False, app=pb.App(id=3))) is None
    assert wire.app_response_from_wire(pb.GetAppResponse(success=True)) is None
    assert wire.user_response_from_wire(pb.GetUserResponse(success=True)) is None
