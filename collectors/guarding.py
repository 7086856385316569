"""Who may change how a process runs: whoever shows the token, or where there is none whoever asks from this host.

A browser of this host must not be made to ask: a page elsewhere can send simple forms, and can have its name resolve to
this host. So a change must be declared as JSON, which no form can, the ``Host`` must be a loopback address, and an
``Origin`` must be our own.
"""

from __future__ import annotations

import ipaddress
from secrets import compare_digest
from urllib.parse import urlsplit

from aiohttp import web

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


def refusal(request: web.Request, token: str) -> tuple[int, str] | None:
    """Status and reason, where this request may change nothing."""
    if request.content_type != "application/json":
        return 415, "send content-type: application/json, as sluice collectors does"
    if token:
        return None if _shows(request, token) else (401, "show server.token as a bearer token")
    if request.remote is None or not _is_loopback(request.remote) or _is_forwarded(request):
        return 403, "ask from the host itself, or set server.token in collectors.yaml and show it"
    if not _is_loopback(_hostname(request.host)):
        return 403, "ask by a loopback address, or set server.token in collectors.yaml and show it"
    origin = request.headers.get("origin")
    if origin is not None and origin != f"{request.scheme}://{request.host}":
        return 403, "pages of other origins may change nothing here"
    return None


def _shows(request: web.Request, token: str) -> bool:
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and compare_digest(shown.strip().encode(errors="surrogateescape"), token.encode())


def _is_forwarded(request: web.Request) -> bool:
    """Whether somebody asks for somebody else, who may be anywhere."""
    return any(name in request.headers for name in _FORWARDED)


def _hostname(host: str) -> str:
    """Without its port; empty for what is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
