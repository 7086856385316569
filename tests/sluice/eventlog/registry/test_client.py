"""What is asked of a registry and made of its answers: scripted in every run, a real one in the long run."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web

from schemas.avro_schema import schema_json
from schemas.codec import FINGERPRINTS, SchemaBook
from schemas.confluent import schema_text
from schemas.events import KINDS
from sluice.dev.servers.errors import MissingPrerequisitesError
from sluice.dev.servers.registry import start_registry
from sluice.eventlog.interface import EventLogError
from sluice.eventlog.registry.client import Registry
from sluice.eventlog.registry.errors import (
    IncompatibleSchemaError,
    RegistryDeniedError,
    RegistryError,
    RegistryUnreachableError,
)
from sluice.eventlog.settings import SchemaRegistrySettings
from tests.sluice.eventlog.registry.scripted import ScriptedRegistry, scripted_registry
from tests.sluice.eventlog.serving import hang, serving

TEXT = schema_json("budget")


def client(registry: ScriptedRegistry, **more: Any) -> Registry:
    """Of a scripted registry."""
    return Registry(SchemaRegistrySettings.model_validate(registry.settings(**more)))


@asynccontextmanager
async def some_registry(kind: str) -> AsyncIterator[str]:
    """The address of a registry that knows nothing."""
    if kind == "scripted":
        async with scripted_registry() as registry:
            yield registry.url
        return
    try:
        server = await asyncio.to_thread(start_registry)
    except MissingPrerequisitesError as error:
        pytest.skip(str(error))
    try:
        yield server.url
    finally:
        await asyncio.to_thread(server.close)


@pytest.mark.parametrize("kind", ["scripted", pytest.param("real", marks=pytest.mark.long)])
async def test_schemas_go_in_and_come_out(kind: str) -> None:
    """Registered twice is one id; what comes back has our fingerprint; unknown is nothing; incompatible is refused."""
    async with some_registry(kind) as url:
        registry = Registry(SchemaRegistrySettings(url=url, timeout_seconds=20))
        for each in KINDS:
            subject, text = f"t.{each}-value", schema_json(each)
            assert await registry.look_up(subject, text) is None
            found = await registry.register(subject, text)
            assert found == await registry.register(subject, text) == await registry.look_up(subject, text)
            back = await registry.schema(found)
            assert back is not None
            assert SchemaBook(has_registry=True).learn(schema_text(found, back)) == FINGERPRINTS[each]
        assert await registry.schema(1_000_000) is None
        if kind == "real":
            await demand_compatibility(url, "t.budget-value")
            more = json.loads(TEXT)
            more["fields"].append({"name": "needed", "type": "string"})
            with pytest.raises(IncompatibleSchemaError, match=r"t\.budget-value refuses our schema as inc"):
                await registry.register("t.budget-value", json.dumps(more).encode())
            with pytest.raises(RegistryError, match="422"):
                await registry.register("t.budget-value", b"nonsense")


async def demand_compatibility(url: str, subject: str) -> None:
    """What Confluent's registry does without being told."""
    async with (
        aiohttp.ClientSession() as session,
        session.put(f"{url}/config/{subject}", json={"compatibility": "BACKWARD"}) as response,
    ):
        assert response.status == 200


async def test_an_incompatible_schema_is_refused_with_what_to_look_at() -> None:
    """The subject, the registry's own words, the remedy."""
    async with scripted_registry() as registry:
        registry.incompatible.add("s")
        with pytest.raises(IncompatibleSchemaError, match=r"s refuses our schema .*earlier schema.*compatibility"):
            await client(registry).register("s", TEXT)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"username": "u", "password": "pä"}, "Basic " + base64.b64encode("u:pä".encode()).decode()),
        ({"token": "secret-token"}, "Bearer secret-token"),
    ],
)
async def test_credentials_are_shown(settings: dict[str, str], expected: str) -> None:
    """Name and password, or a token; a wrong one is said with its keys and without itself."""
    async with scripted_registry(credential=expected) as registry:
        assert await client(registry, **settings).register("s", TEXT) == 1
        for wrong in ({}, {"token": "other-token"}):
            with pytest.raises(RegistryDeniedError, match=r"\(401\): check schema_registry\.username") as raised:
                await client(registry, **wrong).register("s", TEXT)
            assert "other-token" not in str(raised.value)


async def test_a_subject_may_have_any_name() -> None:
    """A slash or a blank is part of the name, not of the path."""
    async with scripted_registry() as registry:
        await client(registry).register("a/b c?d", TEXT)
        assert registry.subjects == {"a/b c?d": [1]}


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_what_passes_counts_as_unreachable(status: int) -> None:
    """So that what is known already goes on being used; an HTML page is no reason to fall over."""
    async with scripted_registry() as registry:
        registry.answer = web.Response(status=status, text="<html>bad gateway</html>")
        with pytest.raises(RegistryUnreachableError, match=f"it answers {status}"):
            await client(registry).schema(1)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"<html></html>"),
        (200, b"[]"),
        (200, b"{}"),
        (200, b'{"id": "7"}'),
        (200, b'{"id": -1}'),
        (200, b'{"id": 2147483648}'),
        (200, b'{"id": true}'),
        (200, b'{"id": 1.5}'),
        (422, b'{"error_code": 42201, "message": "Invalid schema"}'),
        (302, b'{"id": 1}'),
    ],
)
async def test_an_answer_that_is_none_is_an_error(status: int, body: bytes) -> None:
    """Nothing is taken for an id that is not one; what was answered is said."""
    async with scripted_registry() as registry:
        registry.answer = web.Response(status=status, body=body, headers={"Location": "http://localhost:1/"})
        with pytest.raises(RegistryError, match=str(status)) as raised:
            await client(registry).register("s", TEXT)
        assert type(raised.value) is RegistryError


async def test_a_schema_that_is_no_text_is_an_error() -> None:
    """As above, for reading."""
    async with scripted_registry() as registry:
        registry.answer = web.json_response({"schema": {"type": "record"}})
        with pytest.raises(RegistryError, match="reading schema 3 was answered with 200"):
            await client(registry).schema(3)


async def test_nobody_there_is_said() -> None:
    """Refused, not resolved, silent: each within the time limit, each with the key."""
    nobody = Registry(SchemaRegistrySettings(url="http://localhost:1", timeout_seconds=2))
    with pytest.raises(RegistryUnreachableError, match=r"check schema_registry\.url"):
        await nobody.schema(1)
    async with serving(hang) as port:
        hanging = Registry(SchemaRegistrySettings(url=f"http://127.0.0.1:{port}", timeout_seconds=0.2))
        with pytest.raises(RegistryUnreachableError, match=r"no answer within 0\.2 s"):
            await hanging.schema(1)


async def test_tls_is_verified(tmp_path: Path) -> None:
    """Against the file that was named; without it the remedy is said; a file that is none is named."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    async with scripted_registry(tls=context) as registry:
        assert await client(registry, ca_file=str(tmp_path / "ca.pem")).register("s", TEXT) == 1
        with pytest.raises(RegistryUnreachableError, match=r"not trusted .*set schema_registry\.ca_file"):
            await client(registry).register("s", TEXT)
        with pytest.raises(EventLogError, match=r"schema_registry\.ca_file: .*nowhere\.pem"):
            await client(registry, ca_file=str(tmp_path / "nowhere.pem")).register("s", TEXT)


async def answer_in_pieces(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One schema, cut where no network would mind."""
    await reader.readuntil(b"\r\n\r\n")
    body = json.dumps({"schema": TEXT.decode()}).encode()
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
    for start in range(0, len(body), 1000):
        writer.write(body[start : start + 1000])
        await writer.drain()
        await asyncio.sleep(0.01)  # so that each piece comes alone
    writer.close()


async def answer_without_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As a registry never does."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    try:
        while True:
            writer.write(b" " * 65536)
            await writer.drain()
    except OSError:
        writer.close()


async def test_an_answer_in_pieces_is_read_to_its_end() -> None:
    """Large schemas do not come at once."""
    async with serving(answer_in_pieces) as port:
        registry = Registry(SchemaRegistrySettings(url=f"http://127.0.0.1:{port}"))
        assert await registry.schema(1) == TEXT


async def test_an_answer_without_end_is_given_up() -> None:
    """More than a schema can be is not gathered."""
    async with serving(answer_without_end) as port:
        registry = Registry(SchemaRegistrySettings(url=f"http://127.0.0.1:{port}", timeout_seconds=20))
        with pytest.raises(RegistryError, match=r"answers with more than 4194304 bytes: check schema_registry\.url"):
            await registry.schema(1)
