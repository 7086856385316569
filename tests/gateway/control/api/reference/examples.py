"""Rows as they were observed at the reference, and the calls that make what they show."""

from __future__ import annotations

from typing import Any
from unittest.mock import ANY

from tests.gateway.control.api.harness import Api

MOCK_GPT = {
    "name": "Mock GPT",
    "vendor": "openai",
    "endpoint": "http://127.0.0.1:19001/v1",
    "api_key": "sk-up",
    "default_model": "gpt-4o-mini",
    "is_active": True,
}
LLM_ROW: dict[str, Any] = {
    "ID": 1,
    "CreatedAt": ANY,
    "UpdatedAt": ANY,
    "DeletedAt": None,
    "name": "Mock GPT",
    "slug": "mock-gpt",
    "vendor": "openai",
    "endpoint": "http://127.0.0.1:19001/v1",
    "api_key_encrypted": "",
    "default_model": "gpt-4o-mini",
    "max_tokens": 4096,
    "timeout_seconds": 120,  # the gateway's, where the reference has 30
    "retry_count": 1,  # the gateway's, where the reference has 3
    "is_active": True,
    "monthly_budget": 0,
    "rate_limit_rpm": 0,
    "metadata": None,
    "allowed_models": None,
    "auth_mechanism": "token",
    "auth_config": None,
    "namespace": "",
    "Apps": None,
    "Filters": None,
    "Plugins": None,
    "Usage": None,
    "Events": None,
}
APP_ROW: dict[str, Any] = {
    "ID": 2,
    "CreatedAt": ANY,
    "UpdatedAt": ANY,
    "DeletedAt": None,
    "name": "bench",
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
    "Credentials": None,
    "Tokens": None,
    "LLMs": None,
    "Tools": None,
    "Datasources": None,
    "BudgetUsage": None,
    "Events": None,
}
PLUGIN = {
    "name": "Request enricher",
    "command": "python://sluice.plugins.request_enricher:RequestEnricher",
    "hook_type": "post_auth",
    "config": {"additional_instruction": "Be terse."},
    "is_active": True,
}
PLUGIN_ROW: dict[str, Any] = {
    "id": 1,
    "name": "Request enricher",
    "description": "",
    "command": PLUGIN["command"],
    "checksum": "",
    "config": {"additional_instruction": "Be terse."},
    "hook_type": "post_auth",
    "hook_types": None,
    "hook_types_customized": False,
    "is_active": True,
    "service_scopes": None,
    "created_at": ANY,
    "updated_at": ANY,
    "deleted_at": None,
    "namespace": "",
}
SUMMARY_OF_ONE = {
    "all_ready": True,
    "cached_oci_plugins": 0,
    "failed_plugins": 0,
    "loading_plugins": 0,
    "oci_plugins": 0,
    "ready_plugins": 1,
    "total_plugins": 1,
    "unknown_plugins": 0,
}
AT = 1_790_000_000_000_000


async def with_llm_and_app(api: Api) -> None:
    """LLM 1 and app 2, which may use it."""
    await api.post("/llms", MOCK_GPT)
    await api.post("/apps", {"name": "bench", "owner_email": "dev@example.com", "llm_ids": [1]})
