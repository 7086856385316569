"""Opening: what a gateway is managed by is brought up to date once, before anybody serves by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.access.credentials import hash_token
from gateway.control.bootstrap import TOKEN_FILE
from gateway.control.errors import ControlDatabaseError, FileConflictError
from gateway.control.generation import FILE_NAME
from gateway.control.opening import open_control, prepare
from gateway.settings import Settings
from sluice.secrets import SecretError
from tests.gateway.control.made import ADMIN, llm

LLM = {"id": 1, "slug": "demo", "base_url": "http://127.0.0.1:9/v1", "api_key": "vendor-key"}


def settings(folder: Path, **sections: Any) -> Settings:
    """A gateway whose data folder is not there yet."""
    return Settings.model_validate({"data_dir": str(folder / "data"), "llms": [LLM], **sections})


async def test_a_first_start_makes_everything(tmp_path: Path) -> None:
    """Database, key, the file's entities, the admin token; the second makes nothing and keeps it all."""
    given = settings(tmp_path)
    token = await prepare(given)
    assert token
    assert await prepare(given) is None
    async with open_control(given) as control:
        entities = await control.store.load()
        assert [(each.slug, each.api_key, each.version) for each in entities.llms.values()] == [
            ("demo", "vendor-key", 1)
        ]
        assert [each.sha256 for each in entities.tokens.values()] == [hash_token(token)]
        assert control.told.value == entities.generation > 0
    assert {path.name for path in given.data_dir.iterdir()} >= {"control.db", "secret.key", TOKEN_FILE, FILE_NAME}
    assert b"vendor-key" not in (given.data_dir / "control.db").read_bytes()


async def test_a_change_is_told_to_the_host(tmp_path: Path) -> None:
    """Whoever commits it, in whichever process of the host."""
    given = settings(tmp_path)
    await prepare(given)
    async with open_control(given) as one, open_control(given) as other:
        before = other.told.value
        await one.store.llms.create(llm(), ADMIN)
        assert other.told.value == await other.store.generation() == before + 1


async def test_without_the_api_nobody_needs_a_token(tmp_path: Path) -> None:
    """There is nothing to manage it by."""
    given = settings(tmp_path, control={"enabled": False})
    assert await prepare(given) is None
    assert not (given.data_dir / TOKEN_FILE).exists()


async def test_the_generation_is_the_database_s(tmp_path: Path) -> None:
    """Also where the file of an older database says more: else its changes would not be seen for long."""
    given = settings(tmp_path)
    await prepare(given)
    async with open_control(given) as control:
        control.told.bump(1_000)
        generation = await control.store.generation()
    await prepare(given)
    async with open_control(given) as control:
        assert control.told.value == generation


@pytest.mark.parametrize(
    "url", ["sqlite+aiosqlite:////proc/nowhere/control.db", "postgresql+asyncpg://sluice:hidden@127.0.0.1:1/sluice"]
)
async def test_a_database_that_cannot_be_used_stops_the_start(tmp_path: Path, url: str) -> None:
    """The message says which, and not its password."""
    with pytest.raises(ControlDatabaseError) as caught:
        await prepare(settings(tmp_path, control={"database_url": url}))
    assert "hidden" not in str(caught.value)
    assert "control.database_url" in str(caught.value)


async def test_a_file_that_is_no_database_stops_the_start(tmp_path: Path) -> None:
    """It is somebody's, and is left as it is."""
    given = settings(tmp_path)
    given.data_dir.mkdir()
    (given.data_dir / "control.db").write_bytes(b"this is not a database, but something else altogether" * 100)
    before = (given.data_dir / "control.db").read_bytes()
    with pytest.raises(ControlDatabaseError):
        await prepare(given)
    assert (given.data_dir / "control.db").read_bytes() == before


async def test_a_key_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    """Without it no vendor can be called."""
    with pytest.raises(SecretError, match=r"control\.secret_key"):
        await prepare(settings(tmp_path, control={"secret_key": "too-short"}))


async def test_a_file_in_conflict_with_the_api_stops_the_start(tmp_path: Path) -> None:
    """It says what stands in the way of what."""
    await prepare(settings(tmp_path))
    async with open_control(settings(tmp_path)) as control:
        await control.store.llms.create(llm("second"), ADMIN)
    more = [LLM, {"id": 99, "slug": "second", "base_url": "http://b"}]
    with pytest.raises(FileConflictError, match="made over the API"):
        await prepare(settings(tmp_path, llms=more))
