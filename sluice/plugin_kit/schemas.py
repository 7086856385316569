"""The configuration that a plugin takes, as a JSON schema, found without configuring it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import ValidationError

from sluice.plugin_host.config_schema import schema_of
from sluice.plugin_host.errors import PluginLoadError, described
from sluice.plugin_host.loader import find_class
from sluice.plugin_host.opening import open_plugin
from sluice.plugin_host.registration import PluginRegistration, scheme_of
from sluice.plugin_kit.trial import trial_opening
from sluice.sdk.testing import make_context

_ANYTHING: Mapping[str, Any] = {"type": "object"}
_SECONDS = 10.0


class SchemaError(Exception):
    """The plugin cannot be loaded; the message says why and what to do."""


async def schema_of_command(command: str, config: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """The schema; one that takes anything where the plugin says nothing. Raises SchemaError.

    ``config`` is for a plugin in a process of its own, which may need some to start.
    """
    try:
        registration = PluginRegistration.model_validate(
            {"id": 1, "name": "plugin", "command": command, "config": config}
        )
    except ValidationError as error:
        message = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise SchemaError(message) from error
    try:
        if scheme_of(command) in {"python", "py_file"}:
            kind = await asyncio.to_thread(find_class, registration, folder)
            return schema_of(kind()) or _ANYTHING
        return await _asked(registration, folder)
    except PluginLoadError as error:
        raise SchemaError(str(error)) from error
    except Exception as error:
        message = f"{command}: {described(error)}"
        raise SchemaError(message) from error


async def _asked(registration: PluginRegistration, folder: Path) -> Mapping[str, Any]:
    """Of a plugin in a process of its own: it must run to be asked."""
    context = make_context(runtime="gateway")
    with TemporaryDirectory(prefix="sluice-schema-") as scratch:
        opening = trial_opening(registration, folder, Path(scratch), context.services)
        plugin = await open_plugin(registration, opening)
        try:
            await asyncio.wait_for(plugin.initialize(context), _SECONDS)
            return plugin.described.config_schema or _ANYTHING
        finally:
            await plugin.shutdown(context)
