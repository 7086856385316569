"""Asks a registry over HTTP; foreign errors are translated here. Calls are rare: each has its own connection."""

from __future__ import annotations

import asyncio
import base64
import ssl
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

from schemas.confluent import MAX_ID
from sluice.eventlog.authorities import trusting
from sluice.eventlog.registry.errors import (
    IncompatibleSchemaError,
    RegistryDeniedError,
    RegistryError,
    RegistryUnreachableError,
)
from sluice.eventlog.settings import SchemaRegistrySettings

_CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
_MAX_ANSWER_BYTES = 4 << 20
_MAX_WORDS = 300


class Registry:
    """One registry. Every call raises RegistryError, and takes ``schema_registry.timeout_seconds`` at most."""

    def __init__(self, settings: SchemaRegistrySettings) -> None:
        self._settings = settings
        self.url = settings.url.rstrip("/")

    async def register(self, subject: str, text: bytes) -> int:
        """The id of a schema, which the subject has from now on if not before; raises IncompatibleSchemaError."""
        status, answer = await self._call("POST", f"/subjects/{quote(subject, safe='')}/versions", _avro(text))
        if status == 409:
            message = (
                f"schema registry at {self.url}: {subject} refuses our schema as incompatible with what it has "
                f"({_words(answer)}): see who else writes there, or the subject's compatibility level"
            )
            raise IncompatibleSchemaError(message)
        return self._id_in(status, answer, f"registering {subject}")

    async def look_up(self, subject: str, text: bytes) -> int | None:
        """The id under which a subject has a schema; ``None`` where it has it not."""
        status, answer = await self._call("POST", f"/subjects/{quote(subject, safe='')}", _avro(text))
        return None if status == 404 else self._id_in(status, answer, f"looking {subject} up")

    async def schema(self, schema_id: int) -> bytes | None:
        """The JSON text of the schema with this id; ``None`` where the registry does not know it."""
        status, answer = await self._call("GET", f"/schemas/ids/{schema_id}")
        if status == 404:
            return None
        text = answer.get("schema")
        if status != 200 or not isinstance(text, str):
            raise self._unexpected(status, answer, f"reading schema {schema_id}")
        return text.encode()

    def _id_in(self, status: int, answer: dict[str, Any], doing: str) -> int:
        found = answer.get("id")
        if status != 200 or type(found) is not int or not 0 <= found <= MAX_ID:
            raise self._unexpected(status, answer, doing)
        return found

    def _unexpected(self, status: int, answer: dict[str, Any], doing: str) -> RegistryError:
        return RegistryError(
            f"schema registry at {self.url}: {doing} was answered with {status} ({_words(answer)}): see "
            "schema_registry.url and the registry's log"
        )

    async def _call(self, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, Any]]:
        tls = trusting(self._settings.ca_file, "schema_registry.ca_file") if self.url.startswith("https") else True
        try:
            async with (
                asyncio.timeout(self._settings.timeout_seconds),
                aiohttp.ClientSession(headers=self._headers()) as session,
                session.request(method, self.url + path, data=body, ssl=tls, allow_redirects=False) as response,
            ):
                content = await self._content(response)
        except TimeoutError as error:
            waited = f"no answer within {self._settings.timeout_seconds:g} s"
            raise RegistryUnreachableError(self._unreachable(waited)) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise RegistryUnreachableError(self._unreachable(_why(error))) from error
        return response.status, self._understood(response.status, content)

    async def _content(self, response: aiohttp.ClientResponse) -> bytes:
        """All of it, in however many pieces it comes; raises RegistryError for more than a schema can be."""
        content = bytearray()
        async for piece in response.content.iter_any():
            content += piece
            if len(content) > _MAX_ANSWER_BYTES:
                message = f"schema registry at {self.url} answers with more than {_MAX_ANSWER_BYTES} bytes"
                raise RegistryError(f"{message}: check schema_registry.url")
        return bytes(content)

    def _understood(self, status: int, content: bytes) -> dict[str, Any]:
        """The answer's document; raises RegistryError for what asks us to come again, or to be somebody else."""
        if status in {401, 403}:
            keys = "schema_registry.username and schema_registry.password, or schema_registry.token"
            raise RegistryDeniedError(f"schema registry at {self.url} does not let us in ({status}): check {keys}")
        if status >= 500 or status == 429:
            raise RegistryUnreachableError(self._unreachable(f"it answers {status}"))
        try:
            answer = orjson.loads(content)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            message = f"schema registry at {self.url} answers {status} without a JSON object: check schema_registry.url"
            raise RegistryError(message)
        return answer

    def _unreachable(self, why: str) -> str:
        return f"schema registry at {self.url} cannot be reached: {why}; check schema_registry.url"

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": f"{_CONTENT_TYPE}, application/json", "Content-Type": _CONTENT_TYPE}
        if token := self._settings.token.get_secret_value():
            headers["Authorization"] = f"Bearer {token}"
        elif self._settings.username:
            login = f"{self._settings.username}:{self._settings.password.get_secret_value()}"
            headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
        return headers


def _avro(text: bytes) -> bytes:
    return orjson.dumps({"schema": text.decode(), "schemaType": "AVRO"})


def _words(answer: dict[str, Any]) -> str:
    return str(answer.get("message") or answer.get("error_code") or "no message")[:_MAX_WORDS]


def _why(error: Exception) -> str:
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({cause.verify_message}): set schema_registry.ca_file"
    return str(cause) or type(cause).__name__
