"""How plugins are hosted, whichever they are: bounds, folders, patience."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Bytes = Annotated[int, Field(ge=1, le=1 << 40)]


class KvSettings(BaseModel):
    """Plugins' key-value store, ``plugins.db`` in ``data_dir``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_key_bytes: Bytes = 255
    """Of one key, in UTF-8."""
    max_value_bytes: Bytes = 1 << 20
    """Of one value."""
    max_plugin_bytes: Bytes = 64 << 20
    """Keys and values of one plugin together."""
    purge_seconds: Seconds = 60.0
    """How often expired rows are deleted; nobody reads them before either."""


class EndpointSettings(BaseModel):
    """Plugins' own HTTP endpoints."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_body_bytes: Bytes = 1 << 20
    """Of a request."""
    max_response_bytes: Bytes = 10 << 20
    """Of an answer that is not streamed."""
    timeout_seconds: Seconds = 60.0
    """Until a plugin's answer is there, if it is not streamed."""
    stream_timeout_seconds: Seconds = 300.0
    """A streamed answer's whole length."""


class ProcessSettings(BaseModel):
    """Plugins that run in processes of their own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_timeout_seconds: Seconds = 20.0
    """From its start to its line on stdout, or to a connection."""
    ping_seconds: Seconds = 10.0
    """How often a plugin is asked whether it is there; three misses are its end."""
    ping_timeout_seconds: Seconds = 5.0
    """How long it may take to say so."""
    restart_base_seconds: Seconds = 0.5
    """The first pause before a plugin that died is started again."""
    restart_max_seconds: Seconds = 30.0
    """Between restarts: full jitter below base * 2^n, at most this."""
    max_message_bytes: Bytes = 4 << 20
    """Towards a plugin: what the protocol's peers accept. What comes from one has the gateway's own bounds."""
    max_log_lines_per_second: Annotated[int, Field(ge=0)] = 100
    """Of what a plugin prints; further lines are counted alone."""


class PluginHostSettings(BaseModel):
    """``plugin_host`` in ``sluice.yaml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allowed_directories: Annotated[tuple[str, ...], Field(examples=[["/srv/plugins"]])] = (
        "plugins",
        "/opt/sluice/plugins",
    )
    """Where executables of ``file://`` plugins may lie; relative ones begin at the settings file."""
    process: ProcessSettings = ProcessSettings()
    kv: KvSettings = KvSettings()
    endpoints: EndpointSettings = EndpointSettings()
    max_control_payload_bytes: Annotated[int, Field(ge=1, le=1 << 20)] = 1 << 20
    """Of one payload that a plugin sends to the control side."""
    payload_attempts: Annotated[int, Field(ge=1, le=1000)] = 8
    """Deliveries of one payload to its ``EdgePayloadReceiver``, with growing pauses; then it is a dead letter."""
    max_message_bytes: Bytes = 1 << 20
    """Of one message among plugins."""
    max_queued_messages: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """That one subscriber may have waiting; of more the oldest are dropped, counted."""
