"""The ``config`` of ``sink://elasticsearch``; names and forms the reference uses just work."""

from __future__ import annotations

import re
from itertools import permutations
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from collectors.sinks.settings import Duration, Size, has_good_port
from schemas.events import Kind
from sluice.eventlog.settings import Section
from sluice.eventstore.elasticsearch_http import Flavour, api_key_authorization, basic_authorization
from sluice.eventstore.elasticsearch_tls import Tls
from sluice.eventstore.names import INDEX_NAMES, Period, daily_pattern
from sluice.eventstore.templates import IndexShape

_PATTERN = re.compile(r"(?P<stem>[a-z0-9][a-z0-9_.-]{0,199})(-\{(?P<form>YYYY(\.MM(\.DD)?)?)\})?")
_PERIODS: dict[str, Period] = {"YYYY.MM.DD": "day", "YYYY.MM": "month", "YYYY": "year"}
_FINGERPRINT = re.compile(r"[0-9a-fA-F]{2}(:?[0-9a-fA-F]{2}){31}")
_NAME = re.compile(r"[^\s/,?#%&\"*<>|\\]{1,255}")


def _check_pattern(value: str) -> str:
    match = _PATTERN.fullmatch(value)
    if match is None:
        message = (
            "must be a name in lower case (a-z, 0-9, '_', '.', '-'; at most 200), by day unless it ends in "
            "-{YYYY.MM.DD}, -{YYYY.MM} or -{YYYY}"
        )
        raise ValueError(message)
    return value


IndexPattern = Annotated[str, AfterValidator(_check_pattern)]


def _stem(pattern: str) -> str:
    return pattern.partition("-{")[0]


def _period(pattern: str) -> Period:
    return _PERIODS[pattern.partition("-{")[2].rstrip("}") or "YYYY.MM.DD"]


class IndexSettings(Section):
    """The read alias of each event, which is the stem of its dated indices."""

    proxy_logs: Annotated[IndexPattern, Field(examples=["logs-{YYYY.MM}"])] = INDEX_NAMES["proxy_log"]
    """Of proxy logs; ``-{YYYY.MM.DD}``, ``-{YYYY.MM}`` or ``-{YYYY}`` at the end says how much time an index spans."""
    analytics: Annotated[IndexPattern, Field(examples=["usage-{YYYY}"])] = INDEX_NAMES["analytics"]
    """Of analytics."""
    budget: Annotated[IndexPattern, Field(examples=["charges-{YYYY}"])] = INDEX_NAMES["budget"]
    """Of budget events."""

    @model_validator(mode="after")
    def stems_are_apart(self) -> Self:
        """No pattern of one event's indices matches another's: the server refuses such templates."""
        stems = [(key, _stem(pattern)) for key, pattern in self]
        for (key, stem), (other_key, other) in permutations(stems, 2):
            if f"{other}-".startswith(f"{stem}-"):
                message = (
                    f"{other_key}: {other!r} is in reach of {key}: {stem!r}, whose indices are {daily_pattern(stem)}; "
                    "give each event a name that does not begin with another's and a dash"
                )
                raise ValueError(message)
        return self

    def _patterns(self) -> dict[Kind, str]:
        return {"proxy_log": self.proxy_logs, "analytics": self.analytics, "budget": self.budget}

    def names(self) -> dict[Kind, str]:
        """The alias by kind of event."""
        return {kind: _stem(pattern) for kind, pattern in self._patterns().items()}

    def periods(self) -> dict[Kind, Period]:
        """How much time an index spans, by kind of event."""
        return {kind: _period(pattern) for kind, pattern in self._patterns().items()}


def _check_url(value: str) -> str:
    """An absolute http(s) URL without credentials, query or fragment."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        message = "must be an absolute http:// or https:// URL, e.g. http://localhost:9200"
        raise ValueError(message)
    if parts.username or parts.password:
        message = "must not hold credentials; use username and password"
        raise ValueError(message)
    if not has_good_port(parts):
        message = "must have a port from 1 to 65535, e.g. http://localhost:9200"
        raise ValueError(message)
    return value.rstrip("/")


def _check_urls(value: str | tuple[str, ...]) -> str | tuple[str, ...]:
    """One, several, or several in one text, which is all that an environment variable can hold."""
    urls = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    checked = tuple(map(_check_url, urls))
    if not checked:
        message = "must name a node, e.g. http://localhost:9200"
        raise ValueError(message)
    if doubled := next((url for url in checked if checked.count(url) > 1), None):
        message = f"{doubled} stands twice; name each node once"
        raise ValueError(message)
    return checked if isinstance(value, tuple) or len(checked) > 1 else checked[0]


Urls = Annotated[str | tuple[str, ...], AfterValidator(_check_urls)]


class ElasticsearchSettings(Section):
    """``sink://elasticsearch``."""

    elasticsearch_url: Annotated[Urls, Field(examples=["https://es-1:9200,https://es-2:9200"])] = (
        "http://localhost:9200"
    )
    """A node, or several of one cluster: a list, or a text with commas."""
    elasticsearch_urls: Annotated[Urls | None, Field(examples=[["https://es-1:9200", "https://es-2:9200"]])] = None
    """Another name for the same."""
    flavour: Flavour = "elasticsearch8"
    """Which server it is: the media types that it is spoken to with."""
    username: Annotated[str, Field(examples=["sluice"])] = ""
    """For basic authentication."""
    password: SecretStr = SecretStr("")
    """Of that user."""
    api_key: SecretStr = SecretStr("")
    """``id:key``, or both in base64 as Elasticsearch shows it under ``encoded``."""
    bearer_token: SecretStr = SecretStr("")
    """Instead of a user or an API key."""
    ca_file: Annotated[str, Field(examples=["/etc/sluice/ca.pem"])] = ""
    """Who signed the servers' certificates: a PEM file; empty is who the system trusts."""
    ca_fingerprint: Annotated[
        str, Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
    ] = ""
    """SHA-256 in hex, colons or not, of a certificate that the servers show: their CA's, or their own."""
    client_certificate_file: Annotated[str, Field(examples=["/etc/sluice/client.pem"])] = ""
    """PEM, for servers that ask who we are."""
    client_key_file: Annotated[str, Field(examples=["/etc/sluice/client.key"])] = ""
    """PEM; empty where the key stands beside the certificate."""
    indices: IndexSettings = IndexSettings()
    data_streams: bool = False
    """Write each event to a data stream of its index's name instead of to dated indices."""
    lifecycle_policy: Annotated[str, Field(examples=["ninety-days"])] = ""
    """The name of an ILM policy, for the indices that are made from now on."""
    pipeline: Annotated[str, Field(examples=["enrich"])] = ""
    """The name of an ingest pipeline that all documents go through."""
    failure_store: Literal["dead_letter", "accept"] = "dead_letter"
    """What a document is that a data stream put into its failure store."""
    batch_size: Annotated[Annotated[int, Field(ge=1, le=100_000)] | None, Field(examples=[1000])] = None
    """The reference's name of ``batch.max_records``; ``batch`` wins where both are given."""
    flush_interval: Annotated[Duration | None, Field(examples=["5s"])] = None
    """The reference's name of ``batch.max_age_seconds``; ``batch`` wins where both are given."""
    use_index_templates: bool = True
    """Whether the sink installs its index templates."""
    timeout: Duration = 10.0
    """For one request."""
    max_bulk_bytes: Size = 10_000_000
    """A request is never larger; what a batch has beyond it goes out in further requests."""
    compress: bool = False
    """gzip level 1: pays where the network, not the processor, is the bound."""
    oldest_days: Annotated[int, Field(ge=1, le=3650)] = 400
    """How far back an event's time may lie."""
    newest_days: Annotated[int, Field(ge=1, le=30)] = 1
    """Events from outside this range are dead letters: one wrong clock must not make a thousand indices."""

    @field_validator("lifecycle_policy", "pipeline")
    @classmethod
    def name_can_stand_in_a_path(cls, value: str) -> str:
        """Elasticsearch's own rule, and nothing that would change the request."""
        if value and (not _NAME.fullmatch(value) or value.startswith("_")):
            message = 'must be a name of at most 255 characters, without spaces and any of / , ? # % & " * < > | \\'
            raise ValueError(message)
        return value

    @field_validator("ca_fingerprint")
    @classmethod
    def fingerprint_is_sha256(cls, value: str) -> str:
        """Elasticsearch prints one as 64 hex digits, openssl as pairs with colons."""
        if value and not _FINGERPRINT.fullmatch(value):
            message = "must be a SHA-256: 64 hex digits, in pairs with colons between them or without"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def nodes_are_said_once(self) -> Self:
        """Under one name."""
        if self.elasticsearch_urls is not None and "elasticsearch_url" in self.model_fields_set:
            message = "elasticsearch_urls: is given beside elasticsearch_url; put all nodes into one of them"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def one_way_to_log_in(self) -> Self:
        """And nothing in it that no header can hold."""
        given = [key for key in ("username", "api_key", "bearer_token") if _text(getattr(self, key))]
        if len(given) > 1:
            message = f"{' and '.join(given)} are both given; keep one"
            raise ValueError(message)
        if ":" in self.username:
            message = "username: must not have a colon, which ends it on the way to the server"
            raise ValueError(message)
        if _text(self.password) and not self.username:
            message = "password: needs a username; give the one it belongs to"
            raise ValueError(message)
        for key in ("api_key", "bearer_token"):
            text = _text(getattr(self, key))
            if not (text.isascii() and text.isprintable()) or " " in text:
                message = f"{key}: must be one word of ASCII text"
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def tls_is_of_a_piece(self) -> Self:
        """Nothing about certificates is given in vain."""
        if self.ca_file and self.ca_fingerprint:
            message = "ca_fingerprint: is given beside ca_file; keep one"
            raise ValueError(message)
        if self.client_key_file and not self.client_certificate_file:
            message = "client_key_file: needs a client_certificate_file; give the one it belongs to"
            raise ValueError(message)
        given = [key for key in ("ca_file", "ca_fingerprint", "client_certificate_file") if getattr(self, key)]
        if given and not any(url.startswith("https") for url in self.urls()):
            message = f"{given[0]}: is for https alone; change elasticsearch_url, or remove it"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def what_is_wanted_can_be_had(self) -> Self:
        """Options that would have no effect are refused."""
        if self.lifecycle_policy and self.flavour == "opensearch":
            message = "lifecycle_policy: OpenSearch has no ILM; name these indices in the ism_template of an ISM policy"
            raise ValueError(message)
        if self.lifecycle_policy and not self.use_index_templates:
            message = "lifecycle_policy: stands in the index templates; set use_index_templates, or remove it"
            raise ValueError(message)
        if self.data_streams and (dated := [key for key, pattern in self.indices if "{" in pattern]):
            message = f"indices.{dated[0]}: a data stream has no date in its name; remove it, or data_streams"
            raise ValueError(message)
        return self

    def urls(self) -> tuple[str, ...]:
        """All nodes."""
        given = self.elasticsearch_url if self.elasticsearch_urls is None else self.elasticsearch_urls
        return (given,) if isinstance(given, str) else given

    def authorization(self) -> str:
        """The header's value; empty where nobody logs in."""
        if api_key := self.api_key.get_secret_value():
            return api_key_authorization(api_key)
        if token := self.bearer_token.get_secret_value():
            return f"Bearer {token}"
        return basic_authorization(self.username, self.password.get_secret_value())

    def tls(self) -> Tls:
        """What ``https`` stands on."""
        return Tls(self.ca_file, self.ca_fingerprint, self.client_certificate_file, self.client_key_file)

    def shape(self) -> IndexShape:
        """What indices are made like."""
        return IndexShape(self.data_streams, self.lifecycle_policy, self.indices.periods())


def _text(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
