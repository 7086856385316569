"""Which right is missing where a broker refuses for want of one: the principal, the operation, the resource."""

from __future__ import annotations

from collections.abc import Iterable

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from sluice.eventlog.settings import KafkaSettings

_COORDINATOR = "Unable to get coordinator id for "
"""What aiokafka's admin client puts in front of a group's name."""


def missing_right(error: BaseException, settings: KafkaSettings, operation: str) -> str:
    """What an ACL must allow, as a sentence; empty where the error is another. ``operation`` is that on a topic."""
    if isinstance(error, TopicAuthorizationFailedError):
        return lacks(settings, operation, "topic", _names(error))
    if isinstance(error, GroupAuthorizationFailedError):
        return lacks(settings, "Read", "group", _names(error))
    if isinstance(error, TransactionalIdAuthorizationFailed):
        return lacks(settings, "Write", "transactional id", _names(error))
    if isinstance(error, ClusterAuthorizationFailedError):
        if operation == "Write":  # implied by a right to write any topic
            return lacks(settings, "IdempotentWrite", "cluster", ()) + ", or Write on the topics"
        return lacks(settings, operation, "cluster", ())
    return ""


def lacks(settings: KafkaSettings, operation: str, resource: str, names: Iterable[str]) -> str:
    """The sentence: who may not do what, and the ACL that would let it."""
    who = principal(settings)
    named = ", ".join(sorted(names))
    what = f"{resource} {named}".strip()
    return f"Kafka denies {who} {operation} on {what}: add an ACL that allows {who} {operation} on {what}"


def principal(settings: KafkaSettings) -> str:
    """Whom brokers take us for, as ACLs name it."""
    if settings.security_protocol.startswith("SASL"):
        return f"User:{settings.username}"
    if settings.client_certificate_file:
        return f"the subject of {settings.client_certificate_file}"
    return "User:ANONYMOUS"


def _names(error: BaseException) -> list[str]:
    """What the error was made with: a name, several, or none."""
    found: list[str] = []
    for argument in error.args:
        found += [argument] if isinstance(argument, str) else map(str, argument) if _is_many(argument) else []
    found = [name.removeprefix(_COORDINATOR) for name in found]
    return found or ["(not told which)"]


def _is_many(argument: object) -> bool:
    return isinstance(argument, set | frozenset | list | tuple)
