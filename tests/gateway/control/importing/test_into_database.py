"""Tokens that clients have already go on working: their hashes are put where the gateway looks."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.access.credentials import hash_token
from gateway.control.entities import Actor
from gateway.control.importing.into_database import put_tokens
from gateway.control.importing.plan import PlannedToken
from gateway.control.importing.report import Report
from gateway.control.opening import open_control, prepare
from gateway.settings import Settings

TEXT = "ab12" * 16


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    """Of a gateway that was started once; it has the app "bench"."""
    settings = Settings(data_dir=tmp_path)
    await prepare(settings)
    async with open_control(settings) as control:
        await control.store.apps.create({"name": "bench"}, Actor("test"))
    return settings


def token(app: str = "bench") -> PlannedToken:
    """As the plan has it."""
    return PlannedToken(app=app, name="t", sha256=hash_token(TEXT), prefix=TEXT[:8], expires_at=10**15)


async def put(settings: Settings, *tokens: PlannedToken, is_dry: bool = False) -> Report:
    """What came of it."""
    report = Report()
    await put_tokens(settings, tokens, report, is_dry=is_dry)
    return report


async def test_a_token_is_put_there_once(settings: Settings) -> None:
    """Audited as the command's; workers are told."""
    async with open_control(settings) as control:
        before = control.told.value
        assert (await put(settings, token())).made == ["token t of app bench"]
        assert control.told.value > before
        assert (await put(settings, token())).existed == ["token t of app bench"]
        (found,) = (await control.store.tokens.find(sha256=hash_token(TEXT))).items
        (app,) = (await control.store.apps.find(name="bench")).items
        assert (found.app_id, found.name, found.prefix, found.expires_at) == (app.id, "t", TEXT[:8], 10**15)
        entry = (await control.store.audit_entries(limit=1)).items[0]
        assert (entry.actor, entry.kind) == ("command", "token")
        assert hash_token(TEXT) not in str(entry)


async def test_a_dry_run_puts_nothing(settings: Settings) -> None:
    """Also for an app that would be made."""
    assert len((await put(settings, token(), token("new"), is_dry=True)).made) == 2
    async with open_control(settings) as control:
        assert (await control.store.tokens.find(sha256=hash_token(TEXT))).total == 0


async def test_an_app_that_is_not_there_is_told(settings: Settings) -> None:
    """It may be another gateway's database."""
    report = await put(settings, token("other"))
    assert [each.what for each in report.left] == ["token t of app other"]
    assert "--config" in report.left[0].reason
