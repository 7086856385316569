"""Where traces go: what every process of ours that sends some over OTLP/HTTP is told, and what has to be installed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from sluice.eventlog.settings import Section

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x20-\x7e]*")


class OtlpSettings(Section):
    """A receiver of traces; nothing is traced unless it has an address."""

    endpoint: Annotated[str, Field(pattern=r"^(https?://[^\s@]+)?$", examples=["http://collector:4318/v1/traces"])] = ""
    """An OTLP receiver, whole: ``http://collector:4318/v1/traces``. Empty: nothing is traced."""
    headers: dict[str, SecretStr] = Field(default_factory=dict, examples=[{"authorization": "Bearer ${OTLP_TOKEN}"}])
    """Sent with each request, such as ``authorization``."""

    @field_validator("endpoint")
    @classmethod
    def endpoint_is_an_address(cls, value: str) -> str:
        """What cannot be asked would be found out only when something is traced."""
        try:
            url = urlsplit(value)
            is_address = bool(url.hostname) and url.port != 0 and value.isascii()
        except ValueError:
            is_address = False
        if value and not is_address:
            message = f"{value!r} is no address of a receiver; write http://collector:4318/v1/traces"
            raise ValueError(message)
        return value

    @field_validator("headers")
    @classmethod
    def headers_can_be_sent(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        """A line's end in one would be another header."""
        for name, secret in value.items():
            if not _NAME.fullmatch(name):
                message = f"{name!r} is no header's name; use letters, digits and hyphens"
                raise ValueError(message)
            if not _VALUE.fullmatch(secret.get_secret_value()):
                message = f"the value of {name!r} cannot be sent: it must be printable ASCII in one line"
                raise ValueError(message)
        return value


def missing_packages(settings: OtlpSettings, modules: Sequence[str]) -> str:
    """What to install for these settings, which need these modules; empty where nothing is missing."""
    missing = [name for name in modules if settings.endpoint and not _is_installed(name)]
    remedy = "pip install 'sluice-gateway[otel]', or remove tracing.endpoint"
    return f"tracing.endpoint needs what is not installed ({', '.join(missing)}); {remedy}" if missing else ""


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # not even the package that it is in
        return False
