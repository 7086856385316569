"""What every answer of the console says to browsers."""

from __future__ import annotations

import httpx
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from gateway.console.headers import SecurityHeaders


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    keep = {"cache-control": "max-age=5"} if scope["path"] == "/kept" else {}
    await PlainTextResponse("x", headers=keep)(scope, receive, send)


async def test_scripts_styles_and_frames_of_others_are_forbidden_everywhere() -> None:
    """Nothing is allowed that is not ours, no inline script, no frame; what does not say otherwise is not kept."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(SecurityHeaders(_answer)), base_url="http://c"
    ) as client:
        found, kept = await client.get("/"), await client.get("/kept")
    policy = found.headers["content-security-policy"]
    for part in (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
    ):
        assert part in policy.split("; ")
    assert "unsafe" not in policy
    assert found.headers["x-frame-options"] == "DENY"
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.headers["cache-control"] == "no-store"
    assert kept.headers["cache-control"] == "max-age=5"
