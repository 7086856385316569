"""Lives of a relay, each ended by SIGKILL at a step of its second round: run as a process of its own.

``python -m tests.sluice.eventlog.kafka.relay_lives DIRECTORY SETTINGS STEP …`` imports once and forks for each step.
Prints the steps at which a life ended as it should; the last life has no step and ends by itself.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.conn import AIOKafkaConnection
from aiokafka.protocol.transaction import EndTxnRequest

from schemas.topics import Topics
from sluice.eventlog import relay as relay_module
from sluice.eventlog.journal import offsets
from sluice.eventlog.journal.offsets import CommittedOffset
from sluice.eventlog.relay import Relay
from sluice.eventlog.settings import LogSettings

STEPS = (
    "before begin_transaction",
    "after begin_transaction",
    "after send_batch",
    "before send_offsets_to_transaction",
    "after send_offsets_to_transaction",
    "before commit_transaction",
    "within commit_transaction",
    "after commit_transaction",
    "before store",
    "after store",
)
ENDED = "ended: "
ROUND_RECORDS = 30
_FATAL_ROUND = 3
"""As counted by transactions: the first one publishes the schemas."""


def die() -> None:
    """Like a power cut, as far as this process goes."""
    os.kill(os.getpid(), signal.SIGKILL)


class Death:
    """Comes at a step of the second round."""

    def __init__(self, step: str) -> None:
        self._step = step
        self._begun = 0

    def come_if_due(self, step: str) -> None:
        """Here?"""
        if step == self._step and self._begun >= _FATAL_ROUND:
            die()

    def watch(self, owner: Any, method: str) -> None:
        """Before and after an asynchronous method."""
        original = getattr(owner, method)

        async def watched(*arguments: Any, **more: Any) -> Any:
            self._begun += method == "begin_transaction"
            self.come_if_due(f"before {method}")
            result = await original(*arguments, **more)
            self.come_if_due(f"after {method}")
            return result

        setattr(owner, method, watched)

    def watch_commit(self) -> None:
        """When the request is on its way and nothing has come back."""
        original = AIOKafkaConnection.send

        def send(connection: Any, request: Any, **more: Any) -> Any:
            answer = original(connection, request, **more)
            if isinstance(request, EndTxnRequest):
                self.come_if_due("within commit_transaction")
            return answer

        AIOKafkaConnection.send = send

    def watch_store(self) -> None:
        """Around the relay's own file; where that is not the step, the file is never written."""
        original = offsets.store_offset

        def store(path: Path, committed: CommittedOffset) -> None:
            self.come_if_due("before store")
            original(path, committed)
            self.come_if_due("after store")

        relay_module.store_offset = store  # type: ignore[attr-defined]
        relay_module._STORE_SECONDS = 0.0 if self._step.endswith("store") else 1e9


def arm(step: str) -> None:
    """Make this process die at a step of its second round."""
    death = Death(step)
    for method in ("begin_transaction", "send_batch", "send_offsets_to_transaction", "commit_transaction"):
        death.watch(AIOKafkaProducer, method)
    death.watch_commit()
    death.watch_store()


async def live(directory: Path, settings: LogSettings) -> None:
    """Carry the journal to its end."""
    relay_module._ROUND_RECORDS = ROUND_RECORDS
    relay = Relay(directory, settings, Topics(settings.kafka.namespace, settings.kafka.partitions), "gateway-1")
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(relay.run())
        if not await relay.drain(40.0):
            raise SystemExit("not carried in time")
        task.cancel()


def main() -> None:
    """See above."""
    directory, settings = Path(sys.argv[1]), LogSettings.model_validate_json(sys.argv[2])
    for step in [*sys.argv[3:], ""]:
        child = os.fork()
        if child == 0:
            if step:
                arm(step)
            asyncio.run(live(directory, settings))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) == (-signal.SIGKILL if step else 0):
            print(ENDED + (step or "the end"), flush=True)


if __name__ == "__main__":
    main()
