"""Which HTTP proxy stands before an origin, by the convention of ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.upstreams.client import Origin


def proxy_for(origin: Origin, proxies: Mapping[str, str]) -> URL | None:
    """The proxy, its user and password included. ``proxies`` is by scheme, exceptions under ``no``, as
    ``urllib.request.getproxies`` gives them; ``all`` stands for every scheme."""
    address = proxies.get(origin.scheme) or proxies.get("all")
    if not address or _is_exempt(origin, proxies.get("no", "")):
        return None
    return URL(address if "://" in address else f"http://{address}")


def _is_exempt(origin: Origin, exceptions: str) -> bool:
    """Whether a list such as ``localhost, .example.com, 10.0.0.7:8080`` or ``*`` names the origin."""
    host = origin.host.lower()
    for entry in exceptions.lower().split(","):
        name, _, port = entry.strip().rpartition(":") if entry.count(":") == 1 else (entry.strip(), "", "")
        name = name.lstrip(".")
        if name == "*":
            return True
        if name and (host == name or host.endswith(f".{name}")) and port in {"", str(origin.port)}:
            return True
    return False
