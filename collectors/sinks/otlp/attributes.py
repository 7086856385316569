"""Names and values of the semantic conventions for generative AI."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

Value = str | int | bool | None

SCOPE = InstrumentationScope(name="sluice")

_PROVIDERS = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "google_ai": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex": "gcp.vertex_ai",
    "xai": "x_ai",
}
"""Where the conventions' name of a vendor is not ours."""

_OPERATIONS = (
    ("chat", ("/chat/completions", "/responses", "/messages", "/converse", "/converse-stream", "/api/chat")),
    ("text_completion", ("/completions", "/complete", "/api/generate")),
    ("embeddings", ("/embeddings", "/embed", ":embedcontent", ":batchembedcontents", "/api/embed")),
    ("generate_content", (":generatecontent", ":streamgeneratecontent")),
)


_MAX_NANOS = (1 << 63) - 1
_TRACE_ID_BYTES = 16


def nanos_of(micros: int) -> int:
    """A time of an event as OTLP has it: from 1970 on to 2262; what lies outside is at the nearer end."""
    return min(max(0, micros * 1_000), _MAX_NANOS)


def trace_id_of(text: str) -> bytes:
    """The 16 bytes of a trace id, none where it is no such id."""
    try:
        found = bytes.fromhex(text)
    except ValueError:
        return b""
    return found if len(found) == _TRACE_ID_BYTES else b""


def provider_of(vendor: str) -> str:
    """``gen_ai.provider.name`` of a vendor."""
    return _PROVIDERS.get(vendor, vendor)


def operation_of(path: str) -> str:
    """``gen_ai.operation.name`` of a request by its path; what is none of the known ones is named by its last part."""
    bare = path.partition("?")[0].rstrip("/").lower()
    for name, endings in _OPERATIONS:
        if bare.endswith(endings):
            return name
    return bare.rpartition("/")[2][:64] or "unknown"


def attribute(key: str, value: str | int | bool) -> KeyValue:
    """One attribute."""
    return KeyValue(key=key, value=any_value(value))


def any_value(value: str | int | bool) -> AnyValue:
    """A value of any of the types that events have."""
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    return AnyValue(string_value=value)


def attributes(pairs: Iterable[tuple[str, Value]]) -> list[KeyValue]:
    """Those that have a value: absent and empty ones are left out."""
    return [attribute(key, value) for key, value in pairs if value is not None and value != ""]


def fill(held: RepeatedCompositeFieldContainer[KeyValue], pairs: Iterable[tuple[str, Value]]) -> None:
    """As ``attributes``, into a message that is there: a quarter of the time, and logs have some thirty of them."""
    for key, value in pairs:
        if value is None or value == "":
            continue
        added = held.add()
        added.key = key
        if isinstance(value, str):
            added.value.string_value = value
        elif isinstance(value, bool):
            added.value.bool_value = value
        else:
            added.value.int_value = value


def text_list(key: str, values: Sequence[str]) -> KeyValue:
    """An attribute of several texts."""
    return KeyValue(key=key, value=AnyValue(array_value=ArrayValue(values=[any_value(value) for value in values])))


def resource(service_name: str, instance_id: str, further: Iterable[tuple[str, str]]) -> Resource:
    """Who says so."""
    own = (("service.name", service_name), ("service.instance.id", instance_id))
    return Resource(attributes=attributes((*own, *further)))
