"""Whose an archive is: ``archive.json`` names its log. Another's hours would be holes in this one's."""

from __future__ import annotations

import msgspec

from collectors.errors import Halt
from collectors.services.archive.layout import OWNER
from collectors.services.archive.places import Place, read
from sluice.eventlog.settings import KafkaSettings


class Owner(msgspec.Struct, frozen=True, omit_defaults=True):
    """A log."""

    log: str
    cluster: str = ""
    """Kafka's id of the cluster. Empty where the broker tells none and in archives of old: then the namespace alone
    tells one log from another."""

    @property
    def is_certain(self) -> bool:
        """Whether no other log can have the same owner."""
        return bool(self.cluster) or not self.log.startswith("kafka ")

    def __str__(self) -> str:
        return f"{self.log} of cluster {self.cluster}" if self.cluster else self.log


async def cluster_of(kafka: KafkaSettings) -> str:
    """The id of the cluster; empty where there is none. Raises EventLogError."""
    from sluice.eventlog.kafka.cluster import cluster_id  # noqa: PLC0415 - an extra, where the log is not Kafka

    return await cluster_id(kafka)


def owner_of(place: Place) -> Owner | None:
    """What an archive says; ``None`` where it says nothing that can be read."""
    text = read(place, "", OWNER)
    try:
        return None if text is None else msgspec.json.decode(text, type=Owner)
    except msgspec.MsgspecError:
        return None


def claim(place: Place, owner: Owner) -> Owner:
    """Whose the archive is now; raises Halt where that is another log. An id that one of both does not know tells
    nothing."""
    place.put("", OWNER, msgspec.json.encode(owner))
    found = owner_of(place)
    if found is None:
        raise Halt(f"archive {place.where}: {OWNER} cannot be read", "restore it")
    if found.log != owner.log:
        raise Halt(
            f"archive {place.where} is of another log: {found}", f"give this one ({owner}) another folder or prefix"
        )
    if found.cluster and owner.cluster and found.cluster != owner.cluster:
        raise Halt(
            f"archive {place.where} is of another log: {found}",
            f"give this one ({owner}) another folder or prefix; or, where it took the other's place, remove {OWNER}: "
            "names have the next epoch from then on",
        )
    return found
