"""Tests of ``gateway.upstreams.vendors.google.service_account``: on real sockets; no key ever shows."""

from __future__ import annotations

import asyncio
import json
from functools import cache
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

from gateway.upstreams.vendors.google.service_account import token_fetcher
from gateway.upstreams.vendors.google.tokens import AccessToken, TokenRefusedError
from tests.gateway.upstreams.vendors.anthropic.scripted import Reply, scripted_vendor

EMAIL = "sluice@project.iam.gserviceaccount.com"
GOOGLE = "https://oauth2.googleapis.com/token"
ENDPOINT = "https://us-central1-aiplatform.googleapis.com"


@cache
def key_pair() -> tuple[str, str]:
    """Private and public, as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def key_file(token_uri: str = GOOGLE, **changes: Any) -> str:
    """A key file, as Google makes it."""
    account = {"type": "service_account", "project_id": "p", "private_key_id": "kid-1", "private_key": key_pair()[0],
               "client_email": EMAIL, "token_uri": token_uri}  # fmt: skip
    return json.dumps({**account, **changes})


async def fetched(reply: Reply) -> tuple[AccessToken, Any]:
    """The token that an endpoint gives, and the claims it was asked with."""
    async with scripted_vendor() as endpoint:
        endpoint.reply = reply
        token = await asyncio.to_thread(token_fetcher(key_file(f"{endpoint.url}/token"), endpoint.url))
        form = parse_qs(endpoint.seen[0].body.decode())
        assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        audience = f"{endpoint.url}/token"
        claims = jwt.decode(form["assertion"][0], certs={"kid-1": key_pair()[1]}, audience=audience, clock_skew_in_seconds=60)  # type: ignore[no-untyped-call]  # fmt: skip  # noqa: E501
        return token, claims


async def test_a_key_is_exchanged() -> None:
    """For a token, with claims that Google's own library accepts."""
    body = b'{"access_token":"ya29.x","expires_in":3599,"token_type":"Bearer"}'
    token, claims = await fetched(Reply(body))
    assert token == AccessToken("ya29.x", 3599.0)
    assert claims["iss"] == EMAIL
    assert claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
    assert claims["exp"] - claims["iat"] == 3600


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, b'{"error":"invalid_grant","error_description":"secret"}', "answered 400 (invalid_grant)"),
        (500, b"<html>", "answered 500"),
        (403, b'{"error":"Bearer ya29.secret"}', "answered 403"),
        (200, b"{}", "no access token"),
        (200, b"[]", "no access token"),
        (200, b'{"access_token":"a\\nb","expires_in":1}', "no access token"),
        (200, b'{"access_token":"a"}', "without a time to live"),
        (200, b'{"access_token":"a","expires_in":"1"}', "without a time to live"),
        (200, b'{"access_token":"a","expires_in":-1}', "without a time to live"),
        (200, b" " * 100_000, "no answer that ends"),
    ],
)
async def test_what_is_no_token_is_refused(status: int, body: bytes, reason: str) -> None:
    """With a reason that says nothing of what came."""
    with pytest.raises(TokenRefusedError) as caught:
        await fetched(Reply(body, status=status))
    assert reason in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_an_endpoint_that_is_not_there() -> None:
    """Nothing was sent to the vendor."""
    with pytest.raises(TokenRefusedError, match=r"cannot be reached \(ConnectError\)"):
        await asyncio.to_thread(token_fetcher(key_file("http://127.0.0.1:1/token"), "http://127.0.0.1:2"))


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("{", "no service account"),
        ("{}", "no service account"),
        ('{"type":"authorized_user"}', "no service account"),
        (key_file(private_key=""), "no private_key"),
        (key_file(client_email=7), "no client_email"),
        (key_file(private_key="-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n"), "cannot be read"),
        (key_file("http://oauth2.googleapis.com/token"), "token_uri"),
        (key_file("http://169.254.169.254/token"), "token_uri"),
        (key_file("https://oauth2.googleapis.com.evil.example/token"), "token_uri"),
        (key_file("file:///etc/passwd"), "token_uri"),
    ],
)
def test_what_is_no_key_is_refused(key: str, reason: str) -> None:
    """When the snapshot is built; neither the error nor its causes show the key."""
    with pytest.raises(ValueError, match=reason) as caught:
        token_fetcher(key, ENDPOINT)
    assert "PRIVATE KEY" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
