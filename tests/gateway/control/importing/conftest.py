"""The shell of the admin's tests, and a folder with an export of the reference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.control.admin.conftest import control, shell

__all__ = ["control", "shell"]

AT = {"CreatedAt": "2026-01-01T00:00:00Z", "UpdatedAt": "2026-01-01T00:00:00Z", "DeletedAt": None}
TOKEN = "ab12" * 16
ADMIN_TOKEN = "cd34" * 16


def llm(id_: int, name: str, **values: Any) -> dict[str, Any]:
    """An LLM as GET /llms answers it."""
    made: dict[str, Any] = {
        **AT,
        "ID": id_,
        "name": name,
        "slug": name.lower().replace(" ", "-"),
        "vendor": "openai",
        "endpoint": "http://127.0.0.1:19001/v1",
        "api_key_encrypted": "c2VjcmV0",
        "default_model": "gpt-4o-mini",
        "max_tokens": 4096,
        "timeout_seconds": 30,
        "retry_count": 3,
        "is_active": True,
        "monthly_budget": 0,
        "rate_limit_rpm": 0,
        "metadata": None,
        "allowed_models": None,
        "auth_mechanism": "token",
        "auth_config": None,
        "namespace": "",
        "Apps": None,
        "Filters": [],
        "Plugins": None,
    }
    return {**made, **values}


def app(id_: int, name: str, **values: Any) -> dict[str, Any]:
    """An app as GET /apps answers it."""
    made: dict[str, Any] = {
        **AT,
        "ID": id_,
        "name": name,
        "description": "",
        "owner_email": "dev@example.com",
        "user_id": 0,
        "is_active": True,
        "monthly_budget": 0,
        "budget_start_date": None,
        "budget_reset_day": 1,
        "rate_limit_rpm": 0,
        "allowed_ips": None,
        "metadata": None,
        "plugin_resources_json": None,
        "namespace": "",
        "Tokens": None,
        "LLMs": None,
    }
    return {**made, **values}


def token(id_: int, app_id: int, text: str, **values: Any) -> dict[str, Any]:
    """A token as GET /apps/{id} embeds it, in clear."""
    made = {**AT, "ID": id_, "token": text, "name": f"t{id_}", "app_id": app_id, "scopes": ["api"], "is_active": True}
    return {**made, "expires_at": None, "last_used_at": None, "namespace": "", **values}


def plugin(id_: int, name: str, **values: Any) -> dict[str, Any]:
    """A plugin as GET /plugins answers it."""
    made: dict[str, Any] = {
        "id": id_,
        "name": name,
        "description": "",
        "command": "python://sluice.plugins.request_enricher:RequestEnricher",
        "checksum": "",
        "config": {"additional_instruction": "Be terse."},
        "hook_type": "post_auth",
        "hook_types": None,
        "hook_types_customized": False,
        "is_active": True,
        "service_scopes": None,
        "namespace": "",
        "llms": [],
    }
    return {**made, **values}


def price(id_: int, model: str, **values: Any) -> dict[str, Any]:
    """A price as GET /pricing answers it."""
    made = {
        "ID": id_,
        "CreatedAt": AT["CreatedAt"],
        "ModelName": model,
        "Vendor": "openai",
        "CPT": 6e-7,
        "CPIT": 1.5e-7,
    }
    return {**made, "CacheWritePT": 0, "CacheReadPT": 0, "Currency": "USD", "Namespace": "", **values}


def save(folder: Path, **answers: Any) -> Path:
    """A folder with an answer in each file."""
    folder.mkdir(exist_ok=True)
    for name, data in answers.items():
        (folder / f"{name.replace('_', '-')}.json").write_text(json.dumps({"data": data}))
    return folder


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """What a small gateway of the reference has: all of it can be carried over, its vendor keys aside."""
    gpt = llm(7, "Mock GPT", allowed_models=["gpt-4o.*"], Apps=[app(2, "bench")])
    other = llm(9, "Other", api_key_encrypted="", retry_count=0)
    bench = app(2, "bench", monthly_budget=12.5, LLMs=[gpt, other], Tokens=[token(3, 2, TOKEN)])
    admin = app(1, "Admin System", Tokens=[token(1, 1, ADMIN_TOKEN, scopes=["admin"])])
    return save(
        tmp_path / "export",
        llms=[gpt, other],
        apps=[app(1, "Admin System"), app(2, "bench", monthly_budget=12.5)],
        app_1=admin,
        app_2=bench,
        tokens_2=[{"id": 3, "name": "t3", "app_id": 2, "scopes": ["api"], "is_active": True}],
        pricing=[price(1, "gpt-4o-mini")],
        plugins=[plugin(4, "Enricher", llms=[gpt])],
    )
