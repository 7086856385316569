"""Where clients of Ollama put their key, and where ours goes."""

from __future__ import annotations

from gateway.upstreams.client import Headers


def raw_header(api_key: str) -> Headers:
    """``Authorization``, just as it is configured: Ollama knows no key itself, and what stands before it may take any
    scheme (``Bearer <key>``, ``Basic <…>``). Nothing where there is no key."""
    return [(b"authorization", api_key.encode())] if api_key else []
