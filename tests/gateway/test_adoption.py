"""Adoption: what nobody holds is closed and counted; what somebody holds, or will hold again, is left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway import adoption as adoption_module
from gateway.access.budget_rows import Budget, BudgetRows
from gateway.access.host_lock import HostLock
from gateway.access.ledger import APP, Slice
from gateway.access.settlement import Settlements, Worth
from gateway.access.shared_table import SharedTable, table_folder
from gateway.adoption import Adopter, worker_name
from gateway.recording.inflight import FILE_NAME, InFlightFile
from gateway.recording.recovery import ChargeRule, recover
from gateway.telemetry import GatewayMetrics
from sluice.eventlog import relay as relay_module
from sluice.eventlog.journal.lock import LOCK_FILE, is_held
from sluice.eventlog.places import collector_journal, gateway_journal
from tests.gateway.access.memory_ledger import MemoryLedger
from tests.gateway.flow import settings_of, snapshot_of
from tests.gateway.recording.test_inflight import fill, in_flight
from tests.sluice.eventlog.journal.making import TOPICS, begun, exchange, ids_in


def adopter(
    data_dir: Path, *, workers: int = 1, ledger: MemoryLedger | None = None, **sections: Any
) -> tuple[Adopter, GatewayMetrics]:
    """One in worker w0 of gateway-1."""
    settings = settings_of("http://127.0.0.1:9/v1", data_dir=str(data_dir), gateway={"workers": workers}, **sections)
    metrics = GatewayMetrics()
    own = gateway_journal(data_dir, "gateway-1", "w0")
    rule = ChargeRule("reserved", snapshot_of(settings).prices)
    return Adopter(settings, TOPICS, own, metrics, rule, ledger), metrics


async def orphan(directory: Path, *, cut: int = 0) -> list[str]:
    """A journal that was killed with so many exchanges in flight; the ids in it."""
    directory.mkdir(parents=True)
    journal = begun(directory)
    file = InFlightFile(directory / FILE_NAME, 4)
    for number in range(cut):
        fill(file, in_flight(number + 1, segment=0, segment_bytes=0))
    file.close()
    journal.write_now(exchange())
    await journal.close()
    return ids_in(directory)


def test_workers_have_steady_names() -> None:
    """So that a worker that is started again finds its journal."""
    assert [worker_name(index) for index in range(3)] == ["w0", "w1", "w2"]


async def test_nothing_is_adopted_where_nothing_is(tmp_path: Path) -> None:
    """Not even the folder need exist."""
    assert await adopter(tmp_path / "nowhere")[0].look() == 0


async def test_journals_of_the_gone_are_adopted(tmp_path: Path) -> None:
    """Of a worker beyond today's number, and of a gateway that was renamed: what was cut is recorded and counted."""
    worker = gateway_journal(tmp_path, "gateway-1", "w7")
    renamed = gateway_journal(tmp_path, "old-name", "w0")
    await orphan(worker, cut=2)
    await orphan(renamed, cut=1)
    looking, metrics = adopter(tmp_path)
    assert await looking.look() == 2
    assert metrics.interrupted.value() == 3
    assert {*ids_in(worker)} > {in_flight(1).exchange_id + "-p", in_flight(2).exchange_id + "-p"}
    assert not is_held(worker / LOCK_FILE)


async def test_a_second_look_records_nothing_again(tmp_path: Path) -> None:
    """What was adopted is closed; it is looked after, and stays as it is."""
    directory = gateway_journal(tmp_path, "old-name", "w0")
    await orphan(directory, cut=1)
    looking, metrics = adopter(tmp_path)
    await looking.look()
    before = ids_in(directory)
    await looking.look()
    assert metrics.interrupted.value() == 1
    assert ids_in(directory) == before


async def test_journals_with_an_owner_are_left_alone(tmp_path: Path) -> None:
    """The own, those of workers about to be started, those that are held, and the collectors'."""
    left = [
        gateway_journal(tmp_path, "gateway-1", "w0"),
        gateway_journal(tmp_path, "gateway-1", "w1"),
        collector_journal(tmp_path, "logs"),
        gateway_journal(tmp_path, "other", "w0"),
    ]
    before = [await orphan(directory, cut=1) for directory in left]
    holder = begun(left[-1])
    looking, metrics = adopter(tmp_path, workers=2)
    assert await looking.look() == 0
    assert metrics.interrupted.value() == 0
    assert [ids_in(directory) for directory in left] == before
    await holder.close()


async def test_one_that_cannot_be_adopted_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails there is logged with the place; the next is adopted, and nothing stays held."""
    bad, good = gateway_journal(tmp_path, "a", "w0"), gateway_journal(tmp_path, "b", "w0")
    await orphan(bad, cut=1)
    await orphan(good, cut=1)

    def failing(journal: Any, directory: Path, *rest: Any) -> int:
        if directory == bad:
            raise OSError(5, "Input/output error")
        return recover(journal, directory, *rest)

    monkeypatch.setattr(adoption_module, "recover", failing)
    looking, metrics = adopter(tmp_path)
    with capture_logs() as lines:
        assert await looking.look() == 1
    assert [(line["event"], line["directory"]) for line in lines] == [("journal not adopted", str(bad))]
    assert metrics.interrupted.value() == 1
    assert not is_held(bad / LOCK_FILE)


async def test_files_beside_journals_are_no_journals(tmp_path: Path) -> None:
    """Whatever somebody left there."""
    (tmp_path / "journals" / "old").mkdir(parents=True)
    (tmp_path / "journals" / "old" / "note.txt").write_text("hello")
    (tmp_path / "journals" / "file").write_text("hello")
    assert await adopter(tmp_path)[0].look() == 0


async def test_with_kafka_a_journal_is_relayed_before_it_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else reads it where it lies; without Kafka nothing is relayed."""
    directory = gateway_journal(tmp_path, "old-name", "w0")
    await orphan(directory)
    relayed: list[Path] = []

    class Relay:
        """A relay that is done at once."""

        def __init__(self, directory: Path, *_: Any) -> None:
            self.lag_records = 3
            self.directory = directory

        async def run(self) -> None:
            """Until it is told to end."""

        async def drain(self, seconds: float) -> bool:
            assert is_held(self.directory / LOCK_FILE)
            relayed.append(self.directory)
            return True

    monkeypatch.setattr(relay_module, "Relay", Relay)
    await adopter(tmp_path)[0].look()
    assert relayed == []
    await adopter(tmp_path, kafka={"bootstrap_servers": "127.0.0.1:1"})[0].look()
    assert relayed == [directory]


@pytest.mark.parametrize("is_held_elsewhere", [False, True])
async def test_what_another_gateway_held_of_budgets_goes_back(tmp_path: Path, is_held_elsewhere: bool) -> None:
    """It was renamed, or is gone: spent is reported, the rest returned; not while somebody keeps its host."""
    directory = gateway_journal(tmp_path, "old-name", "w0")
    await orphan(directory)
    table = SharedTable(table_folder(directory), "w0")
    rows, ledger = BudgetRows(table), MemoryLedger(fraction=1.0)
    budget = Budget((APP, 1, 0, 0), 1 << 60, 1000)
    told = Slice(budget.key, budget.period_end, 1000, 0, 0, 0, 0, 0, 0, needed_nanos=1, least_nanos=1)
    (answer,) = ledger.report_now(table.host, [told])
    rows.take_note(budget.key, budget.period_end, answer)
    held = rows.hold([budget], 70)
    assert isinstance(held, tuple)
    Settlements(table).settle("01900000-0000-7000-8000-000000000001", held, 70, Worth(70), lambda: None)
    keeper = HostLock(table.folder / "keeper")
    if is_held_elsewhere:
        assert keeper.try_to_keep()
    assert await adopter(tmp_path, ledger=ledger)[0].look() == 1
    part = ledger.parts[budget.key][table.host]
    assert (part.spent, part.given) == ((0, 1000) if is_held_elsewhere else (70, 70))
    keeper.close()
    table.close()
