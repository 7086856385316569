"""The ``config`` of ``sink://webhook``."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator

from collectors.sinks.http.settings import HttpSettings, check_url
from collectors.sinks.settings import Size

IDEMPOTENCY_HEADER = "idempotency-key"
SIGNATURE_HEADER = "x-sluice-signature"
COUNT_HEADER = "x-sluice-events"
KIND_HEADER = "x-sluice-kind"

_EXAMPLE = "https://hooks.example.com/llm-events"


class WebhookSettings(HttpSettings):
    """``sink://webhook``."""

    own_headers: ClassVar[Collection[str]] = (IDEMPOTENCY_HEADER, SIGNATURE_HEADER, COUNT_HEADER, KIND_HEADER)

    url: Annotated[str, Field(examples=["https://hooks.example.com/llm-events"])]
    """Where batches are posted. It is never logged whole: paths and queries of webhooks are often keys."""
    body: Literal["json", "ndjson"] = "json"
    """One JSON array, or one document a line."""
    max_events: Annotated[int, Field(ge=1, le=100_000)] = 500
    """In one request."""
    max_bytes: Size = 1 << 20
    """Of a request, before compression; a larger document is a request of its own."""
    signing_secret: SecretStr = SecretStr("")
    """Signs every request with HMAC-SHA256; empty is no signature."""
    previous_signing_secret: SecretStr = SecretStr("")
    """Signs as well, while receivers change to the new one."""
    answer: Literal["status", "items"] = "status"
    """Whether the status speaks for the whole request, or the body for each event."""

    @model_validator(mode="before")
    @classmethod
    def url_can_be_posted_to(cls, data: Any) -> Any:
        """Checked as a part of the whole, so that an error does not show it."""
        if isinstance(data, dict) and "url" in data:
            check_url("url", data["url"], _EXAMPLE, with_query=True)
        return data

    @model_validator(mode="after")
    def the_previous_secret_has_a_next(self) -> Self:
        """Alone it would sign nothing that anybody expects."""
        if self.previous_signing_secret.get_secret_value() and not self.signing_secret.get_secret_value():
            message = "previous_signing_secret: needs a signing_secret; give the one that follows it"
            raise ValueError(message)
        return self

    def secrets(self) -> list[bytes]:
        """What requests are signed with, the newest first."""
        both = (self.signing_secret.get_secret_value(), self.previous_signing_secret.get_secret_value())
        return [secret.encode() for secret in both if secret]
