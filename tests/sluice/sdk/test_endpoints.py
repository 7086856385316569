"""Messages of endpoints: what an author leaves out has a sensible value, and nothing can be changed behind his back."""

from __future__ import annotations

import pytest

from sluice.sdk import EndpointChunk, EndpointRegistration, EndpointRequest, EndpointResponse, Headers


def test_a_registration_is_for_apps_and_get_unless_it_says_otherwise() -> None:
    """Nobody opens an endpoint to everybody by leaving a word out."""
    one = EndpointRegistration(path="/a")
    assert (one.methods, one.require_auth, one.scopes, one.stream_response) == (("GET",), True, (), False)


def test_an_answer_is_200_and_empty_unless_it_says_otherwise() -> None:
    """An author says what matters."""
    assert EndpointResponse() == EndpointResponse(status_code=200, headers={}, body=b"", message="")


def test_a_chunk_is_a_piece_of_the_body_unless_it_says_otherwise() -> None:
    """The others have names: a head with 200, an error with 500."""
    assert EndpointChunk(data=b"x") == EndpointChunk("body", b"x")
    assert EndpointChunk.head() == EndpointChunk("headers", status_code=200)
    assert EndpointChunk.head(201, {"x-a": "1"}).headers == {"x-a": "1"}
    assert EndpointChunk.error("no") == EndpointChunk("error", status_code=500, message="no")
    assert EndpointChunk.error("no", 409).status_code == 409


def test_nothing_can_be_changed() -> None:
    """What one reads, others read too."""
    request = EndpointRequest(method="GET", path="/plugins/a/", headers=Headers())
    assert (request.relative_path, request.authenticated, request.app, request.protocol) == ("/", False, None, "http")
    for message in (request, EndpointResponse(), EndpointChunk(), EndpointRegistration(path="/")):
        with pytest.raises(AttributeError):
            message.path = "/other"  # type: ignore[union-attr,misc]
