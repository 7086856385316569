from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class BodyMeaning(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BODY_BY_PROTOCOL: _ClassVar[BodyMeaning]
    BODY_UNCHANGED: _ClassVar[BodyMeaning]
    BODY_GIVEN: _ClassVar[BodyMeaning]
BODY_BY_PROTOCOL: BodyMeaning
BODY_UNCHANGED: BodyMeaning
BODY_GIVEN: BodyMeaning

class ListKeysRequest(_message.Message):
    __slots__ = ("plugin_id", "method_scope", "prefix", "limit")
    PLUGIN_ID_FIELD_NUMBER: _ClassVar[int]
    METHOD_SCOPE_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    plugin_id: int
    method_scope: str
    prefix: str
    limit: int
    def __init__(self, plugin_id: _Optional[int] = ..., method_scope: _Optional[str] = ..., prefix: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ListKeysResponse(_message.Message):
    __slots__ = ("keys",)
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, keys: _Optional[_Iterable[str]] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("event_id", "exchange_id", "occurred_at_micros", "app_id", "user_id", "llm_id", "llm_slug", "vendor", "outcome", "fields_msgpack", "copied")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    EXCHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    OCCURRED_AT_MICROS_FIELD_NUMBER: _ClassVar[int]
    APP_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    LLM_ID_FIELD_NUMBER: _ClassVar[int]
    LLM_SLUG_FIELD_NUMBER: _ClassVar[int]
    VENDOR_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    FIELDS_MSGPACK_FIELD_NUMBER: _ClassVar[int]
    COPIED_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    exchange_id: str
    occurred_at_micros: int
    app_id: int
    user_id: int
    llm_id: int
    llm_slug: str
    vendor: str
    outcome: str
    fields_msgpack: bytes
    copied: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, event_id: _Optional[str] = ..., exchange_id: _Optional[str] = ..., occurred_at_micros: _Optional[int] = ..., app_id: _Optional[int] = ..., user_id: _Optional[int] = ..., llm_id: _Optional[int] = ..., llm_slug: _Optional[str] = ..., vendor: _Optional[str] = ..., outcome: _Optional[str] = ..., fields_msgpack: _Optional[bytes] = ..., copied: _Optional[_Iterable[str]] = ...) -> None: ...

class Description(_message.Message):
    __slots__ = ("name", "version", "description", "hooks", "handles_chunks", "has_endpoints", "receives_payloads", "collects", "is_session_aware")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    HOOKS_FIELD_NUMBER: _ClassVar[int]
    HANDLES_CHUNKS_FIELD_NUMBER: _ClassVar[int]
    HAS_ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    RECEIVES_PAYLOADS_FIELD_NUMBER: _ClassVar[int]
    COLLECTS_FIELD_NUMBER: _ClassVar[int]
    IS_SESSION_AWARE_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    description: str
    hooks: _containers.RepeatedScalarFieldContainer[str]
    handles_chunks: bool
    has_endpoints: bool
    receives_payloads: bool
    collects: _containers.RepeatedScalarFieldContainer[str]
    is_session_aware: bool
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., description: _Optional[str] = ..., hooks: _Optional[_Iterable[str]] = ..., handles_chunks: _Optional[bool] = ..., has_endpoints: _Optional[bool] = ..., receives_payloads: _Optional[bool] = ..., collects: _Optional[_Iterable[str]] = ..., is_session_aware: _Optional[bool] = ...) -> None: ...
