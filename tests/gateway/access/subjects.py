"""Apps and LLMs as a snapshot has them, for tests of what is asked about them."""

from __future__ import annotations

from typing import Any

from gateway.snapshot import App, Chains, Llm
from gateway.upstreams.client import Origin
from gateway.upstreams.vendors.openai import OpenAi


def an_app(app_id: int = 1, **values: Any) -> App:
    """An app that may use LLM 1."""
    return App(
        **{
            "id": app_id,
            "name": f"app-{app_id}",
            "user_id": None,
            "llm_ids": frozenset({1}),
            "bodies": "full",
            **values,
        }
    )


def an_llm(llm_id: int = 1, **values: Any) -> Llm:
    """An LLM of OpenAI's dialect."""
    return Llm(
        **{
            "id": llm_id,
            "slug": f"llm-{llm_id}",
            "vendor": "openai",
            "dialect": OpenAi(),
            "origin": Origin("http", "127.0.0.1", 1),
            "host": b"127.0.0.1:1",
            "base_path": "/v1",
            "authorization": [],
            "allowed_models": (),
            "default_model": "",
            "labels": [],
            "chains": Chains(),
            **values,
        }
    )
