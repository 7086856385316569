"""Why no broker can be reached: aiokafka says only that it could not, so this goes the same way once more, slowly.

name   is it resolved?           -> kafka.bootstrap_servers, DNS
port   does something listen?    -> kafka.bootstrap_servers, a firewall
TLS    is it spoken, here and there? whose certificate, for whom, until when? does the broker want ours?
SASL   is it demanded? which mechanisms? are name and password right?
peers  can the addresses be reached that the broker tells its clients to use?

It runs after a connection has failed, and never before: a broker that answers pays nothing for it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiokafka.conn import SaslPlainAuthenticator, ScramAuthenticator
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import SaslAuthenticateRequest, SaslHandShakeRequest
from aiokafka.protocol.metadata import MetadataRequest

from sluice.eventlog.interface import EventLogError
from sluice.eventlog.kafka.certificates import refused_by_broker, refused_by_us
from sluice.eventlog.kafka.dialogue import Dialogue, NotKafkaError
from sluice.eventlog.kafka.tls import tls_context
from sluice.eventlog.settings import KafkaSettings

_STEP_SECONDS = 5.0
_TOTAL_SECONDS = 15.0
_UNSUPPORTED_MECHANISM, _ILLEGAL_SASL_STATE, _AUTHENTICATION_FAILED = 33, 34, 58
_NO_ANSWER = (OSError, EOFError, TimeoutError, NotKafkaError)
_TLS_RECORD_TYPES = (0x15, 0x16)
"""An alert or a handshake: what a TLS listener answers to one that does not speak it."""


class _CauseError(Exception):
    """The cause, as a sentence."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a broker is said to be."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


async def find_cause(settings: KafkaSettings) -> str:
    """Why Kafka cannot be reached, each address with its cause and the remedy; empty where it can be reached now."""
    causes: dict[str, None] = {}
    try:
        async with asyncio.timeout(_TOTAL_SECONDS):
            for place in places_of(settings.bootstrap_servers):
                cause = await _cause_at(place, settings)
                if not cause:
                    return ""
                causes[f"{place}: {cause}"] = None
    except TimeoutError:
        causes[f"no answer within {_TOTAL_SECONDS:g} s"] = None
    except EventLogError as error:  # of our own certificates: said with its key
        return str(error)
    return "; ".join(causes)


def places_of(bootstrap_servers: str) -> list[_Place]:
    """Host and port of each address; the port is 9092 where none is named."""
    places = []
    for address in filter(None, map(str.strip, bootstrap_servers.split(","))):
        host, colon, port = address.rpartition(":")
        if address.endswith("]") or not colon or not port.isdigit():
            host, port = address, "9092"
        places.append(_Place(host.strip("[]"), int(port)))
    return places


async def _cause_at(place: _Place, settings: KafkaSettings) -> str:
    try:
        dialogue = await _greet(place, settings)
        try:
            await _authenticate(dialogue, settings)
            brokers = await _brokers(dialogue, place, settings)
        finally:
            dialogue.close()
        for broker in brokers:
            if broker != place:
                await _look_at_peer(broker, settings)
    except _CauseError as cause:
        return str(cause)
    except KafkaError as error:
        return f"it refuses: {type(error).__name__}"
    return ""


# the steps


async def _greet(place: _Place, settings: KafkaSettings) -> Dialogue:
    """Connected, with TLS where it was set, and understood as a broker."""
    address = await _reach(place, settings)
    tls = tls_context(settings) if settings.security_protocol.endswith("SSL") else None
    dialogue = None
    try:
        dialogue = await Dialogue.connect(address, place.port, tls, place.host, _seconds(settings))
        await dialogue.learn_versions()
    except _NO_ANSWER as error:
        if dialogue is not None:
            dialogue.close()
        what = _no_tls(address, place, settings, error) if tls else _no_plain(address, place, settings, error)
        raise _CauseError(await what) from error
    return dialogue


async def _reach(place: _Place, settings: KafkaSettings) -> str:
    """An address of the host at which something listens."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        message = f"the name {place.host} is not resolved ({error}): check kafka.bootstrap_servers and DNS"
        raise _CauseError(message) from error
    last: Exception = OSError("no address")
    for *_, where in found:
        try:
            (await Dialogue.connect(str(where[0]), place.port, None, place.host, _seconds(settings))).close()
        except (OSError, TimeoutError) as error:
            last = error
        else:
            return str(where[0])
    raise _CauseError(_not_reached(last, _seconds(settings))) from last


def _not_reached(error: Exception, seconds: float) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused: nothing listens there; start the broker, or check kafka.bootstrap_servers"
    if isinstance(error, TimeoutError):
        return f"no answer to a connection within {seconds:g} s: check kafka.bootstrap_servers, and firewalls between"
    return f"no connection ({error}): check kafka.bootstrap_servers and the network"


async def _no_tls(address: str, place: _Place, settings: KafkaSettings, error: Exception) -> str:
    """Why a handshake, or the first answer behind it, failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return refused_by_us(error, place.host, settings)
    if isinstance(error, ssl.SSLError) and (refusal := refused_by_broker(error, settings)):
        return refusal
    if await _answers(lambda: Dialogue.connect(address, place.port, None, place.host, _seconds(settings))):
        other = "SASL_PLAINTEXT" if settings.security_protocol == "SASL_SSL" else "PLAINTEXT"
        return f"TLS is not spoken there: set kafka.security_protocol: {other}, or name the port of its TLS listener"
    return f"TLS failed ({_words(error)}): see whether this is Kafka's TLS port, and the broker's log"


async def _no_plain(address: str, place: _Place, settings: KafkaSettings, error: Exception) -> str:
    """Why something listens and does not answer as a broker would."""
    blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE  # only whether TLS is spoken: nothing is told to it
    told = isinstance(error, NotKafkaError) and error.beginning[0] in _TLS_RECORD_TYPES
    if told or await _connects(lambda: Dialogue.connect(address, place.port, blind, place.host, _seconds(settings))):
        other = "SASL_SSL" if settings.security_protocol == "SASL_PLAINTEXT" else "SSL (with users: SASL_SSL)"
        return f"TLS is needed there: set kafka.security_protocol: {other}"
    return f"what listens there does not answer as Kafka does ({_words(error)}): check kafka.bootstrap_servers"


async def _authenticate(dialogue: Dialogue, settings: KafkaSettings) -> None:
    if not settings.security_protocol.startswith("SASL"):
        return
    mechanism, user = settings.sasl_mechanism, settings.username
    try:
        answer = await dialogue.ask(SaslHandShakeRequest(mechanism))
        if answer.error_code == _UNSUPPORTED_MECHANISM:
            enabled = ", ".join(answer.enabled_mechanisms) or "none that it tells"
            message = f"SASL mechanism {mechanism} is not enabled there (enabled: {enabled}): set kafka.sasl_mechanism"
            raise _CauseError(message)
        if answer.error_code == _ILLEGAL_SASL_STATE:
            other = "SSL" if settings.security_protocol == "SASL_SSL" else "PLAINTEXT"
            message = (
                f"that listener asks for no user: set kafka.security_protocol: {other}, or name the port of another"
            )
            raise _CauseError(message)
        await _tell_password(dialogue, settings)
    except _NO_ANSWER as error:
        message = f"it closed the connection while {user} was logging in ({_words(error)}): see the broker's log"
        raise _CauseError(message) from error


async def _tell_password(dialogue: Dialogue, settings: KafkaSettings) -> None:
    names = {
        "loop": asyncio.get_running_loop(),
        "sasl_plain_username": settings.username,
        "sasl_plain_password": settings.password.get_secret_value(),
    }
    is_plain = settings.sasl_mechanism == "PLAIN"
    login = SaslPlainAuthenticator(**names) if is_plain else ScramAuthenticator(
        **names, sasl_mechanism=settings.sasl_mechanism
    )  # fmt: skip
    heard = None
    try:
        while (step := await login.step(heard)) is not None:
            answer = await dialogue.ask(SaslAuthenticateRequest(step[0]))
            if answer.error_code:
                raise _CauseError(_wrong_password(settings, answer.error_code, answer.error_message))
            heard = answer.sasl_auth_bytes
    except ValueError as error:  # SCRAM: the server does not know the password either
        message = "the broker could not prove that it knows the user (SCRAM): this may be somebody else's server"
        raise _CauseError(message) from error


def _wrong_password(settings: KafkaSettings, code: int, words: str | None) -> str:
    if code == _AUTHENTICATION_FAILED:
        mechanism = settings.sasl_mechanism
        return f"wrong name or password ({mechanism}, user {settings.username}): check kafka.username, kafka.password"
    return f"the broker does not let {settings.username} in ({words or code})"


async def _brokers(dialogue: Dialogue, place: _Place, settings: KafkaSettings) -> list[_Place]:
    """Where the broker says that brokers are; a listener that wants a user closes the connection instead."""
    try:
        answer = await dialogue.ask(MetadataRequest([]))
    except _NO_ANSWER as error:
        if settings.security_protocol.startswith("SASL"):
            raise _CauseError(f"it closed the connection behind the login ({_words(error)}): see its log") from error
        raise _CauseError(await _no_user(place, settings, error)) from error
    return [_Place(broker[1], broker[2]) for broker in answer.brokers]


async def _no_user(place: _Place, settings: KafkaSettings, error: Exception) -> str:
    dialogue = await _greet(place, settings)
    try:
        answer = await dialogue.ask(SaslHandShakeRequest("none"))
    except _NO_ANSWER:
        return f"it closed the connection ({_words(error)}): see its log"
    finally:
        dialogue.close()
    if answer.error_code == _ILLEGAL_SASL_STATE:
        return f"it closed the connection ({_words(error)}): see its log"
    other = "SASL_SSL" if settings.security_protocol == "SSL" else "SASL_PLAINTEXT"
    enabled = ", ".join(answer.enabled_mechanisms)
    return (
        f"a user is asked for there (SASL: {enabled}): set kafka.security_protocol: {other}, kafka.sasl_mechanism, "
        "kafka.username and kafka.password"
    )


async def _look_at_peer(broker: _Place, settings: KafkaSettings) -> None:
    try:
        (await _greet(broker, settings)).close()
    except _CauseError as cause:
        message = f"it answers, and tells clients to use {broker} (its advertised.listeners): {cause}"
        raise _CauseError(message) from cause


# looks


async def _answers(connect: Callable[[], Awaitable[Dialogue]]) -> bool:
    """Whether a broker answers there."""
    try:
        dialogue = await connect()
    except _NO_ANSWER:
        return False
    try:
        await dialogue.learn_versions()
    except (*_NO_ANSWER, KafkaError):
        return False
    finally:
        dialogue.close()
    return True


async def _connects(connect: Callable[[], Awaitable[Dialogue]]) -> bool:
    """Whether a connection can be made that way."""
    try:
        (await connect()).close()
    except ssl.SSLError as error:
        return "CERTIFICATE" in (error.reason or "")  # it asks for ours: so it speaks TLS
    except _NO_ANSWER:
        return False
    return True


def _seconds(settings: KafkaSettings) -> float:
    return min(_STEP_SECONDS, settings.request_timeout_seconds)


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, EOFError):
        return "connection closed"
    if isinstance(error, ssl.SSLError):
        return (error.reason or type(error).__name__).replace("_", " ").lower()
    return str(error) or type(error).__name__
