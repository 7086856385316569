"""Values of entities that tests make, each with names of its own."""

from __future__ import annotations

import hashlib
from typing import Any

from gateway.control.entities import Actor
from gateway.control.store import ControlStore

ADMIN = Actor("admin (sk-12345)", 7)


def llm(slug: str = "gpt", /, **values: Any) -> dict[str, Any]:
    """An LLM's."""
    made = {"slug": slug, "name": slug.upper(), "vendor": "openai", "endpoint": "https://api.openai.com/v1"}
    return {**made, **values}


def app(name: str = "shop", /, **values: Any) -> dict[str, Any]:
    """An app's."""
    return {"name": name, **values}


def token(app_id: int, text: str = "secret", **values: Any) -> dict[str, Any]:
    """A token's."""
    return {"app_id": app_id, "sha256": sha256(text), "prefix": text[:8], **values}


def price(model_name: str = "gpt-4o", /, **values: Any) -> dict[str, Any]:
    """A price's."""
    made = {"vendor": "openai", "model_name": model_name, "prompt_nanos": 1, "response_nanos": 2}
    return {**made, "cache_read_nanos": 3, "cache_write_nanos": 4, **values}


def plugin(name: str = "shield", /, **values: Any) -> dict[str, Any]:
    """A plugin's."""
    return {"name": name, "slug": name, "command": "python://shield:Shield", **values}


def sha256(text: str) -> str:
    """As tokens are kept."""
    return hashlib.sha256(text.encode()).hexdigest()


async def app_with_token(store: ControlStore, name: str = "shop") -> tuple[int, int]:
    """The ids of an app and of its token."""
    made = await store.apps.create(app(name), ADMIN)
    return made.id, (await store.tokens.create(token(made.id, name), ADMIN)).id
