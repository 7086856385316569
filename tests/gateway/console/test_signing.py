"""Signing in and out."""

from __future__ import annotations

import httpx

from gateway.console.sessions import COOKIE
from tests.gateway.console.running import ADMIN_TOKEN, Console


async def test_the_cookie_is_for_nobody_but_the_gateway(console: Console) -> None:
    """HttpOnly, SameSite=Strict, for /console alone, Secure behind TLS; the token is not in it."""
    async with console.client("") as client:
        plain = (await client.post("session", json={"token": f" {ADMIN_TOKEN} "})).headers["set-cookie"]
        behind = await client.post("session", json={"token": ADMIN_TOKEN}, headers={"x-forwarded-proto": "https"})
    for part in ("HttpOnly", "SameSite=strict", "Path=/console", "Max-Age=43200"):
        assert part in plain
    assert "Secure" not in plain
    assert "Secure" in behind.headers["set-cookie"]
    assert ADMIN_TOKEN not in plain


async def test_who_is_signed_in(admin: httpx.AsyncClient) -> None:
    """The name and the role, never the token."""
    found = (await admin.get("session")).json()
    assert (found["name"], found["role"], found["gateway_id"]) == ("ops", "admin", "gateway-1")
    assert ADMIN_TOKEN not in str(found)


async def test_signing_out_forgets(admin: httpx.AsyncClient) -> None:
    """The browser is told to forget; then nobody is signed in, which is no error. Twice is once."""
    assert COOKIE in (await admin.delete("session")).headers["set-cookie"]
    assert (await admin.get("session")).json() == {"role": None, "message": ""}
    assert (await admin.delete("session")).status_code == 200


BODIES = [
    b"",
    b"[]",
    b'{"token": 7}',
    b'{"token": ""}',
    b'{"token": "x", "role": "admin"}',
    b"{" * 2000,
    b'{"token":"' + b"x" * 600 + b'"}',
    b'{"token":"\\ud800"}',
]


async def test_garbage_is_refused(console: Console) -> None:
    """Whatever is sent as a sign-in, it is a 4xx with a sentence."""
    for body in BODIES:
        async with console.client("") as client:
            answer = await client.post("session", content=body)
            assert 400 <= answer.status_code < 500
            assert answer.json()["message"]


async def test_a_body_that_is_too_large_is_not_read(console: Console) -> None:
    """More than a mebibyte is a 413."""
    async with console.client("") as client:
        assert (await client.post("session", content=b"x" * (1 << 20) + b"y")).status_code == 413
