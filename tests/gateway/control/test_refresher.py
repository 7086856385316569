"""The refresher: what is committed is served, soon, whole and whatever fails beside it."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.control import refresher as refresher_module
from gateway.control.database import ControlDatabase
from gateway.control.entities import Attachment, Changes, LlmLink
from gateway.control.generation import FILE_NAME, GenerationFile
from gateway.control.store import ControlStore
from gateway.snapshot import Snapshot
from gateway.snapshot_builder import SnapshotBuilder
from sluice.plugin_host import host as host_module
from sluice.plugin_host import place
from sluice.secrets import SecretBox
from tests.gateway.control.made import ADMIN, app, llm, sha256, token
from tests.gateway.control.refreshing import LIVES, Bench, FlakyStore, Slow
from tests.gateway.test_exchange import an_exchange
from tests.integration.waiting import until

SECONDS = 20.0


@pytest.fixture(name="bench")
async def a_bench(
    migrated_sqlite: Path, tmp_path: Path, box: SecretBox, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bench]:
    """Started by each test, when what it needs is there."""
    LIVES.clear()
    monkeypatch.setattr(Slow, "gate", asyncio.Event())
    path = tmp_path / "control.db"
    path.write_bytes(migrated_sqlite.read_bytes())
    databases = [ControlDatabase(f"sqlite+aiosqlite:///{path}") for _ in range(2)]
    told = GenerationFile(tmp_path / FILE_NAME)
    made = Bench(FlakyStore(databases[0], box), ControlStore(databases[1], box, told.bump), told)
    yield made
    await made.plugins.close()
    for database in databases:
        await database.close()
    told.close()


async def test_a_refresh_serves_what_is_committed(bench: Bench) -> None:
    """Made, changed, deleted: the next request sees it, at its generation."""
    await bench.start()
    made = await bench.others.llms.create(llm(), ADMIN)
    assert "gpt" not in bench.snapshot.llms_by_slug
    assert await bench.refresher.refresh()
    assert bench.snapshot.llms_by_slug["gpt"].id == made.id
    await bench.others.llms.update(made.id, {"slug": "other"}, ADMIN)
    await bench.refresher.refresh()
    assert list(bench.snapshot.llms_by_slug) == ["other"]
    await bench.others.llms.delete(made.id, ADMIN)
    await bench.refresher.refresh()
    assert list(bench.snapshot.llms_by_slug) == []
    assert bench.refresher.generation == bench.snapshot.generation == await bench.others.generation() == 3


async def test_a_refresh_of_nothing_changes_nothing(bench: Bench) -> None:
    """The very same snapshot goes on."""
    await bench.start()
    before = bench.snapshot
    await bench.refresher.refresh()
    assert bench.snapshot is before


async def test_what_is_told_is_served_in_a_moment(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Revoked tokens are refused within a tenth of a second, on a busy machine some; not by a look untold."""
    monkeypatch.setattr(refresher_module, "POLL_SECONDS", 2 * SECONDS)
    owner = await bench.others.apps.create(app(), ADMIN)
    kept = await bench.others.tokens.create(token(owner.id), ADMIN)
    await bench.start()
    delays, loop = [], asyncio.get_running_loop()
    async with bench.running():
        for is_active in (False, True) * 5:
            await bench.others.tokens.update(kept.id, {"is_active": is_active}, ADMIN)
            committed = loop.time()
            while (sha256("secret") in bench.snapshot.tokens) is not is_active:
                await asyncio.sleep(0.001)
                assert loop.time() - committed < SECONDS
            delays.append(loop.time() - committed)
    assert sorted(delays)[2] <= 0.1, delays


def no_touches(*_: object) -> None:
    """Of a system that does not say when a file is touched."""
    raise OSError(errno.EMFILE, "too many")


@pytest.mark.parametrize("is_polled", [False, True])
async def test_a_change_is_heard_of_without_asking_the_database(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, is_polled: bool
) -> None:
    """By a touch of the file, after which nothing else wakes up; by looking at it where the system tells of none."""
    monkeypatch.setattr(refresher_module, "POLL_SECONDS", 10 * SECONDS)
    monkeypatch.setattr(refresher_module, "LOOK_SECONDS", 0.01 if is_polled else 10 * SECONDS)
    if is_polled:
        monkeypatch.setattr(GenerationFile, "touches", no_touches)
    await bench.start()
    async with bench.running():
        await until(lambda: bench.store.asked == 1, SECONDS, "it is asked once at the start")
        await bench.others.llms.create(llm(), ADMIN)
        await until(lambda: "gpt" in bench.snapshot.llms_by_slug, SECONDS, "it is served")
        await bench.others.llms.create(llm("other"), ADMIN)
        await until(lambda: "other" in bench.snapshot.llms_by_slug, SECONDS, "so is the next")


async def test_what_nobody_told_is_seen_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another host's changes are in the database and not in the file."""
    monkeypatch.setattr(refresher_module, "POLL_SECONDS", 0.02)
    await bench.start()
    bench.others.on_change = None
    async with bench.running():
        await bench.others.llms.create(llm(), ADMIN)
        await until(lambda: "gpt" in bench.snapshot.llms_by_slug, SECONDS, "it is served")


async def test_a_look_costs_no_query(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where files are polled it is one read of memory; the database is asked when something was told."""
    monkeypatch.setattr(refresher_module, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(refresher_module, "POLL_SECONDS", SECONDS)
    monkeypatch.setattr(GenerationFile, "touches", no_touches)
    await bench.start()
    async with bench.running():
        await until(lambda: bench.store.asked == 1, SECONDS, "it is asked once at the start")
        await asyncio.sleep(0.1)  # real time: a hundred looks
        assert bench.store.asked == 1


async def test_a_database_that_is_away_leaves_the_last_state(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests are served as before, the log says so, and what was missed is caught up with when it is back."""
    monkeypatch.setattr(refresher_module, "_FIRST_BACKOFF_SECONDS", 0.001)
    made = await bench.others.llms.create(llm(), ADMIN)
    await bench.start()
    bench.store.is_away = True
    with capture_logs() as lines:
        async with bench.running():
            await bench.others.llms.update(made.id, {"slug": "other"}, ADMIN)
            assert await bench.refresher.refresh() is False
            before = bench.store.asked
            await until(lambda: bench.store.asked >= before + 3, SECONDS, "it is tried again")
            assert list(bench.snapshot.llms_by_slug) == ["gpt"]
            bench.store.is_away = False
            await until(lambda: "other" in bench.snapshot.llms_by_slug, SECONDS, "it is caught up with")
    assert {line["event"] for line in lines} == {"control database cannot be read"}


async def test_attempts_come_slower_the_longer_it_is_away(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the database nor the log is flooded."""
    monkeypatch.setattr(refresher_module, "_FIRST_BACKOFF_SECONDS", 0.02)
    await bench.start()
    bench.store.is_away = True
    async with bench.running():
        await asyncio.sleep(0.3)  # real time: 0.02, 0.04, 0.08, 0.16 …
        assert bench.store.asked <= 5
        await until(lambda: bench.store.asked >= 2, SECONDS, "it is tried again")


async def test_changes_that_are_lost_are_made_up_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was away for too long loads everything, plugins too."""
    made = await bench.attach(await bench.plugin())
    await bench.start()
    monkeypatch.setattr("gateway.control.store.KEPT_CHANGES", 1)
    other = await bench.plugin("b")
    await bench.others.llms.update(made.id, {"attachments": (Attachment(plugin_id=other),), "slug": "new"}, ADMIN)
    await bench.others.llms.create(llm("third"), ADMIN)
    await bench.others.prune()
    await bench.refresher.refresh()
    assert sorted(bench.snapshot.llms_by_slug) == ["new", "third"]
    assert bench.chained(made.id) == ["b"]
    assert bench.refresher.generation == await bench.others.generation()


async def test_many_changes_hold_no_exchange_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The snapshot of a file with thousands of new apps is made beside the loop; what it has is what it would have."""
    monkeypatch.setattr(refresher_module, "_MANY", 1)
    threads: list[int] = []
    change = SnapshotBuilder.change

    def noted(self: SnapshotBuilder, snapshot: Snapshot, changes: Changes) -> Snapshot:
        threads.append(threading.get_ident())
        return change(self, snapshot, changes)

    await bench.start()
    made = await bench.attach(await bench.plugin())
    owner = await bench.others.apps.create(app(llms=(LlmLink(llm_id=made.id),)), ADMIN)
    monkeypatch.setattr(SnapshotBuilder, "change", noted)
    await bench.refresher.refresh()
    assert threads[0] != threading.get_ident()
    assert bench.snapshot.apps[owner.id].llm_ids == {made.id}
    assert bench.chained(made.id) == ["a"]
    assert bench.refresher.generation == await bench.others.generation()


async def test_a_plugin_is_loaded_before_the_answer(bench: Bench) -> None:
    """Whoever attached it is answered when the next request meets it."""
    await bench.start()
    made = await bench.attach(await bench.plugin())
    await bench.refresher.refresh()
    assert bench.chained(made.id) == ["a"]
    assert LIVES == ["begins a"]


async def test_nobody_gets_past_a_plugin_that_is_being_loaded(bench: Bench) -> None:
    """A new LLM is unknown until its plugins are there; one that is served keeps those that it has."""
    plain = await bench.others.llms.create(llm("plain"), ADMIN)
    await bench.start()
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(SECONDS):
        slow = await bench.plugin("slow", waits=True)
        guarded = await bench.attach(slow)
        await bench.others.llms.update(
            plain.id, {"attachments": (Attachment(plugin_id=slow),), "default_model": "m"}, ADMIN
        )
        refreshing = tasks.create_task(bench.refresher.refresh())
        await until(lambda: LIVES, SECONDS, "it is being loaded")
        assert guarded.id not in bench.snapshot.llms_by_id
        assert bench.chained(plain.id) == []
        assert bench.snapshot.llms_by_id[plain.id].default_model == "m", "all else of it holds"
        assert not refreshing.done()
        Slow.gate.set()
    assert (bench.chained(guarded.id), bench.chained(plain.id)) == (["slow"], ["slow"])


async def test_a_slow_plugin_keeps_no_revocation_waiting(bench: Bench) -> None:
    """What has nothing to do with it takes effect meanwhile."""
    owner = await bench.others.apps.create(app(), ADMIN)
    kept = await bench.others.tokens.create(token(owner.id), ADMIN)
    await bench.start()
    async with bench.running():
        await bench.plugin("slow", waits=True)
        await until(lambda: LIVES, SECONDS, "it is being loaded")
        await bench.others.tokens.delete(kept.id, ADMIN)
        await until(lambda: sha256("secret") not in bench.snapshot.tokens, SECONDS, "the token is refused")
        Slow.gate.set()


async def test_a_slow_plugin_keeps_no_other_from_its_answer(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control API answers who made an app, though a plugin hangs; who changed a plugin waits for it."""
    monkeypatch.setattr(refresher_module, "_PATIENCE_SECONDS", 0.01)
    await bench.start()
    async with bench.running():
        await bench.plugin("slow", waits=True)
        await until(lambda: bool(LIVES), SECONDS, "it is being loaded")
        made = await bench.others.apps.create(app(), ADMIN)
        await asyncio.wait_for(bench.refresher.refresh(), SECONDS)
        assert made.id in bench.snapshot.apps
        await bench.attach(await bench.plugin("next"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(bench.refresher.refresh(), 0.05)
        Slow.gate.set()


async def test_a_fault_in_loading_ends_no_worker(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is logged and tried again: exchanges go on meanwhile."""
    monkeypatch.setattr(refresher_module, "_MAX_BACKOFF_SECONDS", 0.01)
    await bench.start()
    with capture_logs() as logs:
        async with bench.running():
            with monkeypatch.context() as patched:
                patched.setattr(bench.plugins, "reconcile", None)
                made = await bench.attach(await bench.plugin("late"))
                await until(lambda: len(logs) >= 2, SECONDS, "it was tried twice")
            await until(lambda: made.id in bench.snapshot.llms_by_id, SECONDS, "it is loaded after all")
    assert {line["event"] for line in logs} == {"plugins not loaded"}


async def test_what_changes_while_a_plugin_is_loaded_is_not_lost(bench: Bench) -> None:
    """The plugin itself was changed again: the last of all is what serves."""
    made = await bench.attach(await bench.plugin("old"))
    await bench.start()
    config = {"label": "new", "waits": True}
    plugin_id = made.attachments[0].plugin_id
    async with bench.running():
        await bench.others.plugins.update(plugin_id, {"slug": "new", "config": config}, ADMIN)
        await until(lambda: "begins new" in LIVES, SECONDS, "it is being loaded")
        await bench.others.plugins.update(plugin_id, {"slug": "last", "config": {"label": "last"}}, ADMIN)
        await until(lambda: bench.refresher.generation == 4, SECONDS, "that is known")
        assert bench.chained(made.id) == ["old"]
        Slow.gate.set()
        await until(lambda: bench.chained(made.id) == ["last"], SECONDS, "the last one serves")
        await until(lambda: {"ends old", "ends new"} <= set(LIVES), SECONDS, "those before it ended")
    assert LIVES.count("begins last") == 1


async def test_a_plugin_that_fails_leaves_its_llm_answering(bench: Bench) -> None:
    """Its exchanges are refused by name; the LLM is known, and a correction is taken."""
    await bench.start()
    made = await bench.attach(await bench.plugin("bad", fails=True))
    with capture_logs() as lines:
        assert await bench.refresher.refresh()
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["plugin not loaded"]
    assert bench.chained(made.id) == ["bad"]
    await bench.others.plugins.update(made.attachments[0].plugin_id, {"config": {"label": "good"}}, ADMIN)
    await bench.refresher.refresh()
    assert [health.status for health in bench.plugins.health()] == ["ready"]


async def test_a_plugin_that_failed_is_tried_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself, without a change: what it needs came later. Its LLM has it then."""
    monkeypatch.setattr(place, "RETRY_BASE_SECONDS", 0.02)
    monkeypatch.setattr(Slow, "is_broken", True)
    await bench.start()
    made = await bench.attach(await bench.plugin("ill"))
    async with bench.running():
        await until(lambda: LIVES.count("begins ill") > 1, SECONDS, "it is tried again")
        assert not bench.is_called(made.id)
        monkeypatch.setattr(Slow, "is_broken", False)
        await until(lambda: bench.is_called(made.id), SECONDS, "its exchanges reach it")
        assert [each.status for each in bench.plugins.health()] == ["ready"]
        tries = LIVES.count("begins ill")
    assert LIVES.count("begins ill") == tries


async def test_a_plugin_that_is_renewed_is_loaded_anew(bench: Bench) -> None:
    """In every worker, though nothing of it changed; its file may have."""
    made = await bench.attach(await bench.plugin())
    await bench.start()
    await bench.others.renew_plugin(made.attachments[0].plugin_id, ADMIN)
    await bench.refresher.refresh()
    assert LIVES == ["begins a", "begins a"]


async def test_a_plugin_ends_with_the_last_exchange_that_began_with_it(bench: Bench) -> None:
    """Not before; exchanges that began after it was replaced are not waited for."""
    made = await bench.attach(await bench.plugin("old"))
    await bench.start()
    early, late = an_exchange(), an_exchange()
    bench.exchanges = [early]
    async with bench.running():
        await bench.others.plugins.update(made.attachments[0].plugin_id, {"config": {"label": "new"}}, ADMIN)
        await until(lambda: "begins new" in LIVES, SECONDS, "the new one is loaded")
        await bench.refresher.refresh()
        bench.exchanges = [early, late]
        await asyncio.sleep(0.15)  # real time: three looks at what is under way
        assert "ends old" not in LIVES
        bench.exchanges = [late]
        await until(lambda: "ends old" in LIVES, SECONDS, "it ended")


async def test_a_plugin_waits_for_those_alone_who_may_call_it(bench: Bench) -> None:
    """An exchange of another LLM may stream for minutes: it has nothing to do with it, nor has it with the next."""
    first = await bench.attach(await bench.plugin("one"), "first")
    second = await bench.attach(await bench.plugin("two"), "second")
    await bench.start()
    exchange = an_exchange()
    exchange.llm = bench.snapshot.llms_by_id[first.id]
    bench.exchanges = [exchange]
    async with bench.running():
        for made, label in ((first, "one-new"), (second, "two-new")):
            config = {"config": {"label": label}}
            await bench.others.plugins.update(made.attachments[0].plugin_id, config, ADMIN)
        await until(lambda: "ends two" in LIVES, SECONDS, "it ended")
        assert "ends one" not in LIVES
        assert bench.chained(first.id) == ["one"], "its name; the new one serves who comes now"
        bench.exchanges = []
        await until(lambda: "ends one" in LIVES, SECONDS, "it ended too")


async def test_a_plugin_is_not_kept_for_ever(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exchange that takes too long goes on without it."""
    monkeypatch.setattr(refresher_module, "RETIRE_SECONDS", 0.02)
    made = await bench.attach(await bench.plugin("old"))
    await bench.start()
    bench.exchanges = [an_exchange()]
    async with bench.running():
        await bench.others.llms.delete(made.id, ADMIN)
        await bench.others.plugins.delete(made.attachments[0].plugin_id, ADMIN)
        await until(lambda: "ends old" in LIVES, SECONDS, "it ended")


async def test_a_refresh_that_is_cut_is_made_good(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client of the API left while a plugin was loaded: the next refresh loads it."""
    monkeypatch.setattr(host_module, "SHUTDOWN_SECONDS", 0.05)
    await bench.start()
    made = await bench.attach(await bench.plugin("slow", waits=True))
    async with asyncio.TaskGroup() as tasks:
        refreshing = tasks.create_task(bench.refresher.refresh())
        await until(lambda: LIVES, SECONDS, "it is being loaded")
        refreshing.cancel()
    assert made.id not in bench.snapshot.llms_by_id
    Slow.gate.set()
    await bench.refresher.refresh()
    assert bench.chained(made.id) == ["slow"]


async def test_when_tokens_were_used_is_written_now_and_then(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """And at the end; what could not be written is written later."""
    owner = await bench.others.apps.create(app(), ADMIN)
    kept = await bench.others.tokens.create(token(owner.id), ADMIN)
    await bench.start()
    bench.credentials.find("secret", bench.snapshot, 5)
    bench.store.is_away = True
    await bench.refresher.close()
    bench.store.is_away = False
    bench.credentials.find("secret", bench.snapshot, 7)
    monkeypatch.setattr(refresher_module, "TOUCH_SECONDS", 0.01)
    async with bench.running(), asyncio.timeout(SECONDS):
        while (await bench.others.tokens.get(kept.id)).last_used_at != 7:  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.01)
    assert bench.refresher.generation == 2
