"""Says what configuration is right by a JSON schema; a pydantic model says the same in fewer words."""

import json
from collections.abc import Mapping
from typing import Any

from sluice.sdk import BasePlugin, ConfigSchemaProvider, Context, EnrichedRequest, PluginResponse, PostAuthHandler

SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {
        "api_key": {"type": "string", "description": "API key for external service", "minLength": 1},
        "endpoint": {"type": "string", "format": "uri", "default": "https://api.example.com"},
        "batch_size": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
    },
    "required": ["api_key"],
}


class Configured(BasePlugin[Mapping[str, Any]], ConfigSchemaProvider, PostAuthHandler):
    name = "configured"

    def get_config_schema(self) -> bytes:
        return json.dumps(SCHEMA).encode()

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        return PluginResponse.modify(context_updates={"batch_size": str(self.config["batch_size"])})
