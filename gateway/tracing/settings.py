"""What `sluice.yaml` may say of traces."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sluice.eventlog.settings import Seconds
from sluice.otlp import OtlpSettings, missing_packages

_NEEDED = ("opentelemetry.proto",)


class TracingSettings(OtlpSettings):
    """``tracing`` of `sluice.yaml`."""

    sample: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Of the exchanges whose client sends no ``traceparent``."""
    parent: Literal["follow", "sample"] = "follow"
    """Where the client does: ``follow`` traces what the client traces; ``sample`` only the sampled part of that. What
    the client does not trace is never traced."""
    service_name: Annotated[str, Field(min_length=1, max_length=255, examples=["sluice-gateway-eu"])] = "sluice-gateway"
    """``service.name`` of its spans."""
    ca_file: Annotated[str, Field(examples=["/etc/sluice/ca.pem"])] = ""
    """PEM; certificates that a receiver's is trusted by, besides the system's."""
    timeout_seconds: Seconds = 5.0
    """For one request of the exporter."""
    interval_seconds: Annotated[float, Field(gt=0, le=300)] = 2.0
    """Traces wait this long for others, unless there are ``max_batch_exchanges``."""
    max_batch_exchanges: Annotated[int, Field(ge=1, le=4_096)] = 256
    """Traces of one request of the exporter."""
    max_queued_exchanges: Annotated[int, Field(ge=1, le=1_000_000)] = 4_096
    """Beyond it traces are dropped, and counted."""
    shutdown_seconds: Annotated[float, Field(gt=0, le=60)] = 2.0
    """How long a worker that stops sends what waits."""

    @model_validator(mode="after")
    def is_installed(self) -> Self:
        """A gateway that could not send what it traces must not start."""
        if problem := missing_packages(self, _NEEDED):
            raise ValueError(problem)
        return self
