"""What a plugin says of itself: its configuration's schema, and its manifest. Each is asked for over two services."""

from __future__ import annotations

import json
from typing import Any, Final

from sluice.plugin_wire import config_provider_pb2, plugin_pb2
from sluice.sdk.capabilities import ConfigProvider, ManifestProvider
from sluice.sdk.plugin import BasePlugin

_ANYTHING: Final = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "additionalProperties": True,
}
_NO_MANIFEST: Final = "plugin does not provide a manifest"


class Descriptions:
    """``GetConfigSchema`` and ``GetManifest`` of ``PluginService`` and of ``ConfigProviderService``."""

    def __init__(self, plugin: BasePlugin[Any]) -> None:
        self._plugin = plugin

    async def schema(
        self,
        request: plugin_pb2.GetConfigSchemaRequest,  # noqa: ARG002 - it is empty, as the next
    ) -> plugin_pb2.GetConfigSchemaResponse:
        """The plugin's hooks' service."""
        return plugin_pb2.GetConfigSchemaResponse(success=True, schema_json=schema_text(self._plugin))

    async def config_schema(
        self,
        request: config_provider_pb2.ConfigSchemaRequest,  # noqa: ARG002
    ) -> config_provider_pb2.ConfigSchemaResponse:
        """The configuration's service."""
        return config_provider_pb2.ConfigSchemaResponse(success=True, schema_json=schema_text(self._plugin))

    async def manifest(
        self,
        request: plugin_pb2.GetManifestRequest,  # noqa: ARG002
    ) -> plugin_pb2.GetManifestResponse:
        """The plugin's hooks' service."""
        found = manifest_text(self._plugin)
        if not found:
            return plugin_pb2.GetManifestResponse(success=False, error_message=_NO_MANIFEST)
        return plugin_pb2.GetManifestResponse(success=True, manifest_json=found)

    async def config_manifest(
        self,
        request: config_provider_pb2.GetManifestRequest,  # noqa: ARG002
    ) -> config_provider_pb2.GetManifestResponse:
        """The configuration's service."""
        found = manifest_text(self._plugin)
        if not found:
            return config_provider_pb2.GetManifestResponse(success=False, error_message=_NO_MANIFEST)
        return config_provider_pb2.GetManifestResponse(success=True, manifest_json=found)


def schema_text(plugin: BasePlugin[Any]) -> str:
    """The JSON schema of its configuration: its own, its model's, or one that takes any object."""
    if isinstance(plugin, ConfigProvider):
        return _text(plugin.get_config_schema())
    if plugin.config_type is not None:
        return json.dumps(plugin.config_type.model_json_schema())
    return json.dumps(_ANYTHING)


def manifest_text(plugin: BasePlugin[Any]) -> str:
    """Its manifest; empty where it has none."""
    return _text(plugin.get_manifest()) if isinstance(plugin, ManifestProvider) else ""


def _text(given: bytes | str) -> str:
    return given if isinstance(given, str) else bytes(given).decode("utf-8")
