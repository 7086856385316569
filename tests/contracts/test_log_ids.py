"""Which log a partition is: known to every log that can be made anew under its name."""

from __future__ import annotations

from sluice.eventlog.interface import NamedLogs, Partition
from tests.contracts.eventlog_laws import Bench, Listener, exchanges, on_every_log, poll_until


@on_every_log(secured="ids are asked over TLS, by who may describe the topics")
async def test_a_log_says_which_it_is(bench: Bench) -> None:
    """One id for each partition that is ours, known in the moment that it is assigned, the same to whoever asks and
    after a restart; none of what there is not. A log that dies with its process says nothing."""

    class Asking(Listener):
        async def on_assigned(self, partitions: object) -> None:
            await super().on_assigned(partitions)  # type: ignore[arg-type]
            if isinstance(source, NamedLogs):
                found.append(dict(await source.log_ids(self.ours)))

    found: list[dict[Partition, str]] = []
    await bench.commit(exchanges(2))
    for group in ("one", "two"):
        source, listener = bench.source(group), Asking()
        await source.start(listener)
        await poll_until(source, 6)
        if isinstance(source, NamedLogs):
            assert found[-1].keys() == listener.ours
            assert await source.log_ids([Partition("nowhere/w9", 0), *listener.ours]) == found[-1]
        await source.close()
    assert all(all(known.values()) for known in found)
    assert found[1:] == found[:1]
