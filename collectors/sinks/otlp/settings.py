"""The ``config`` of ``sink://otlp``."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from collectors.sinks.http.settings import HttpSettings, check_url
from collectors.sinks.settings import Size

Dimension = Literal["app_id", "user_id", "llm_id", "llm_slug", "gateway_id"]

_KEY = re.compile(r"[a-z][a-z0-9_.]{0,99}")


class OtlpSettings(HttpSettings):
    """``sink://otlp``."""

    endpoint: Annotated[str, Field(examples=["http://otel-collector:4318"])] = "http://localhost:4318"
    """Of OTLP/HTTP; ``/v1/logs`` and ``/v1/metrics`` are put behind it."""
    encoding: Literal["protobuf", "json"] = "protobuf"
    """Of requests."""
    compress: bool = True
    """Whether requests are compressed: gzip level 1."""
    max_events: Annotated[int, Field(ge=1, le=10_000)] = 512
    """In one request."""
    max_bytes: Size = 4 << 20
    """Of a request of logs, before compression."""
    service_name: Annotated[str, Field(min_length=1, max_length=200, examples=["llm-traffic"])] = "sluice"
    """``service.name`` of its resource."""
    resource_attributes: dict[str, Annotated[str, Field(max_length=1000)]] = Field(
        default_factory=dict, examples=[{"deployment.environment.name": "production"}]
    )
    """Further ones of its resource."""
    include_bodies: bool = False
    """The text of prompts and answers as the record's body: the conventions leave it out unless it is asked for."""
    include_headers: bool = False
    """Whether records have the headers of requests and answers."""
    operation_name: Annotated[str, Field(min_length=1, max_length=100, examples=["text_completion"])] = "chat"
    """``gen_ai.operation.name`` of metrics: an analytics event does not say which operation it was."""
    metric_dimensions: tuple[Dimension, ...] = ("app_id", "llm_slug")
    """Beside what the conventions ask for; each multiplies the series of a backend."""

    @model_validator(mode="before")
    @classmethod
    def endpoint_can_be_posted_to(cls, data: Any) -> Any:
        """Checked as a part of the whole, so that an error does not show it."""
        if isinstance(data, dict) and "endpoint" in data:
            check_url("endpoint", data["endpoint"], "http://localhost:4318")
            if str(data["endpoint"]).rstrip("/").endswith(("/v1/logs", "/v1/metrics", "/v1/traces")):
                message = "endpoint: must end before /v1/…, which is put behind it"
                raise ValueError(message)
        return data

    @model_validator(mode="after")
    def attributes_are_keys(self) -> Self:
        """In the form of the conventions, and none of those that the sink itself gives."""
        for key in self.resource_attributes:
            if not _KEY.fullmatch(key) or key in {"service.name", "service.instance.id"}:
                message = f"resource_attributes: {key!r} must be in the form deployment.environment.name"
                raise ValueError(message)
        return self
