"""A new key for what is encrypted at rest: made, used for everything, and the old one kept."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.control.admin.commands import admin_app
from gateway.control.entities import Actor
from gateway.control.keys import read_key_file
from gateway.control.opening import open_control, prepare
from gateway.control.tables import LLMS
from gateway.settings import Settings
from sluice.secrets import SecretBox, key_text, new_key
from sluice.settings import load_settings
from tests.gateway.control.made import llm


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gateway that was started once and has one vendor key."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "sluice.yaml"
    path.write_text("data_dir: data\n")
    settings = load_settings(path, Settings)

    async def start() -> None:
        await prepare(settings)
        async with open_control(settings) as control:
            await control.store.llms.create(llm("gpt", api_key="sk-1"), Actor("test"))
            await control.store.llms.create(llm("keyless"), Actor("test"))

    asyncio.run(start())
    return path


def rotate(*arguments: str) -> Result:
    """``sluice admin rotate-key``."""
    return CliRunner().invoke(admin_app(), ["rotate-key", *arguments], catch_exceptions=False)


async def _stored(config: Path) -> tuple[bytes, str]:
    async with open_control(load_settings(config, Settings)) as control:
        async with control.store.database.read() as connection:
            encrypted = await connection.scalar(LLMS.select().with_only_columns(LLMS.c.api_key_encrypted).limit(1))
        (found,) = (await control.store.llms.find(slug="gpt")).items
    assert encrypted is not None
    return bytes(encrypted), found.api_key


def test_everything_is_encrypted_with_the_new_key(config: Path) -> None:
    """The newest key is enough to read it; the old one stays behind it; nothing of a key is shown."""
    file = config.parent / "data" / "secret.key"
    (old,) = read_key_file(file)
    result = rotate("--config", str(config))
    assert result.exit_code == 0
    assert "1 vendor key encrypted" in result.output
    new, kept = read_key_file(file)
    assert kept == old
    encrypted, key = asyncio.run(_stored(config))
    assert SecretBox([new]).is_current(encrypted)
    assert key == "sk-1"
    assert key_text(new) not in result.output
    file.write_text(key_text(new))
    file.chmod(0o600)
    assert asyncio.run(_stored(config))[1] == "sk-1"


def test_the_second_half_can_be_done_again(config: Path) -> None:
    """No further key is made."""
    rotate("--config", str(config))
    keys = read_key_file(config.parent / "data" / "secret.key")
    assert rotate("--config", str(config), "--encrypt-only").exit_code == 0
    assert read_key_file(config.parent / "data" / "secret.key") == keys


def test_it_is_audited(config: Path) -> None:
    """By whom and what."""
    rotate("--config", str(config))

    async def newest() -> tuple[str, str]:
        async with open_control(load_settings(config, Settings)) as control:
            entry = (await control.store.audit_entries(limit=1)).items[0]
            return entry.actor, entry.action

    assert asyncio.run(newest()) == ("command", "reencrypt")


def test_keys_of_the_settings_are_rotated_there(config: Path) -> None:
    """The command cannot write them; it says the order to do it in, and then does its half."""
    old = read_key_file(config.parent / "data" / "secret.key")[0]
    config.write_text(f"data_dir: data\ncontrol: {{secret_key: '{key_text(new_key())} {key_text(old)}'}}\n")
    refused = rotate("--config", str(config))
    assert refused.exit_code == 2
    assert "--encrypt-only" in refused.output
    assert key_text(old) not in refused.output
    assert rotate("--config", str(config), "--encrypt-only").exit_code == 0


def test_without_a_file_there_is_nothing_to_rotate(tmp_path: Path) -> None:
    """Status 2, with the file's name."""
    config = tmp_path / "sluice.yaml"
    config.write_text(f"data_dir: {tmp_path / 'data'}\n")
    result = rotate("--config", str(config))
    assert (result.exit_code, "secret.key" in result.output) == (2, True)
    assert rotate("--config", str(tmp_path / "none.yaml")).exit_code == 2
