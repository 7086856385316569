"""Tests of ``sluice.sdk.serving.gateway``, against our own host's side."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import grpc.aio
import pytest

from sluice.plugin_wire import management_pb2 as pb
from sluice.plugin_wire.go_plugin_pb2 import ConnInfo
from sluice.plugin_wire.rpc import MANAGEMENT, handler_of
from sluice.sdk import (
    App,
    BudgetStatus,
    CredentialCheck,
    GatewayServices,
    LicenseInfo,
    Llm,
    ModelPrice,
    NotFound,
    PayloadTooLarge,
    ScopeDenied,
    ServiceError,
)
from sluice.sdk.services import Scope
from sluice.sdk.testing import make_context
from tests.sluice.sdk.serving.asking import asking
from tests.sluice.sdk.serving.harness import connected

APPS = [App(id=number, name=f"app-{number}", is_active=number != 2, metadata={"n": number}) for number in (1, 2, 3)]
LLMS = [Llm(id=1, slug="a", vendor="openai"), Llm(id=2, slug="b", vendor="anthropic", monthly_budget_nanos=5)]
PRICE = ModelPrice(vendor="openai", model_name="gpt-4o", prompt_nanos=2_500_000_000)
STATUS = BudgetStatus(app_id=1, monthly_budget_nanos=10, used_nanos=3)


RecordT = TypeVar("RecordT", App, Llm)


class Knowing:
    """A gateway that knows these."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    async def get_app(self, app_id: int) -> App:
        return _found(APPS, app_id)

    async def list_apps(self, page: int = 1, limit: int = 10, *, is_active: bool | None = True) -> list[App]:
        found = [app for app in APPS if is_active is None or app.is_active is is_active]
        return found[(page - 1) * limit : page * limit]

    async def count_apps(self, *, is_active: bool | None = True) -> int:
        return len([app for app in APPS if is_active is None or app.is_active is is_active])

    async def get_llm(self, llm_id: int) -> Llm:
        return _found(LLMS, llm_id)

    async def list_llms(
        self, page: int = 1, limit: int = 10, *, vendor: str = "", is_active: bool | None = True
    ) -> list[Llm]:
        return [llm for llm in LLMS if vendor in {"", llm.vendor}][(page - 1) * limit : page * limit]

    async def count_llms(self, *, vendor: str = "", is_active: bool | None = True) -> int:
        return len([llm for llm in LLMS if vendor in {"", llm.vendor}])

    async def get_budget_status(self, app_id: int, llm_id: int | None = None) -> BudgetStatus:
        _found(APPS, app_id)
        return BudgetStatus(app_id=app_id, llm_id=llm_id) if llm_id else STATUS

    async def get_model_price(self, model_name: str, vendor: str) -> ModelPrice:
        if (model_name, vendor) != ("gpt-4o", "openai"):
            raise NotFound("no price")
        return PRICE

    async def list_model_prices(self, vendor: str = "") -> list[ModelPrice]:
        return [PRICE] if vendor in {"", "openai"} else []

    async def validate_credential(self, secret: str) -> CredentialCheck:
        return CredentialCheck(valid=secret == "good", app_id=1 if secret == "good" else None)

    async def send_to_control(self, payload: bytes, correlation_id: str = "", metadata: Any = None) -> int:
        if len(payload) > 10:
            raise PayloadTooLarge("more than 10 bytes")
        self.sent.append((payload, correlation_id, metadata))
        return len(self.sent)

    async def get_license_info(self) -> LicenseInfo:
        return LicenseInfo()


def _found(records: Sequence[RecordT], record_id: int) -> RecordT:
    for record in records:
        if record.id == record_id:
            return record
    raise NotFound(f"there is no {record_id}")


class Host:
    """A host's services with such a gateway."""

    def __init__(self) -> None:
        self.knowing = Knowing()
        services = make_context().services
        self.logger, self.kv, self.messages = services.logger, services.kv, services.messages

    def gateway(self) -> Any:
        return self.knowing


async def test_apps_and_llms_are_as_the_host_has_them(tmp_path: Path) -> None:
    """Whole, by page, counted."""
    host: Any = Host()
    async with asking(host, tmp_path) as services:
        gateway = services.gateway()
        assert await gateway.get_app(3) == APPS[2]
        assert list(await gateway.list_apps(2, 1)) == [APPS[2]]
        assert (await gateway.count_apps(), await gateway.count_apps(is_active=False)) == (2, 1)
        assert await gateway.get_llm(2) == LLMS[1]
        assert list(await gateway.list_llms(vendor="openai")) == [LLMS[0]]
        assert (await gateway.count_llms(), await gateway.count_llms(vendor="x")) == (2, 0)


async def test_money_is_exact(tmp_path: Path) -> None:
    """Nanos, though the protocol has doubles."""
    host: Any = Host()
    async with asking(host, tmp_path) as services:
        gateway = services.gateway()
        assert await gateway.get_budget_status(1) == STATUS
        assert await gateway.get_budget_status(1, 2) == BudgetStatus(app_id=1, llm_id=2)
        assert await gateway.get_model_price("gpt-4o", "openai") == PRICE
        assert list(await gateway.list_model_prices("other")) == []


async def test_what_there_is_none_of_is_not_found(tmp_path: Path) -> None:
    """By its own name."""
    host: Any = Host()
    async with asking(host, tmp_path) as services:
        gateway = services.gateway()
        for call in (gateway.get_app(9), gateway.get_llm(9), gateway.get_budget_status(9), gateway.get_app(-1)):
            with pytest.raises(NotFound, match="there is no"):
                await call
        with pytest.raises(NotFound, match="no price"):
            await gateway.get_model_price("gpt-5", "openai")


async def test_a_credential_is_checked_never_refused(tmp_path: Path) -> None:
    """What is none is not valid."""
    host: Any = Host()
    async with asking(host, tmp_path) as services:
        assert await services.gateway().validate_credential("good") == CredentialCheck(valid=True, app_id=1)
        assert await services.gateway().validate_credential("bad") == CredentialCheck(valid=False)


async def test_payloads_are_sent_to_control(tmp_path: Path) -> None:
    """As bytes or as JSON; how many wait comes back, and so does what is too large."""
    host: Any = Host()
    async with asking(host, tmp_path) as services:
        gateway = services.gateway()
        assert await gateway.send_to_control(b"\x00", "c-1", {"a": "b"}) == 1
        assert await gateway.send_to_control_json({"a": 1}) == 2
        with pytest.raises(ServiceError, match="more than 10"):
            await gateway.send_to_control(b"x" * 11)
    assert [(payload, correlation) for payload, correlation, _ in host.knowing.sent] == [
        (b"\x00", "c-1"),
        (b'{"a":1}', ""),
    ]
    assert dict(host.knowing.sent[0][2]) == {"a": "b"}


async def test_our_host_is_told_and_tells_what_the_protocol_has_no_field_for(tmp_path: Path) -> None:
    """Whether inactive ones are wanted too, and that a payload was too large rather than wrong."""
    asked: list[Any] = []

    async def list_of(request: Any, context: Any) -> Any:
        asked.append((request.HasField("is_active"), request.is_any))
        return pb.ListAppsResponse() if isinstance(request, pb.ListAppsRequest) else pb.ListLLMsResponse()

    async def refuse(request: Any, context: Any) -> pb.QueueControlPayloadResponse:
        return pb.QueueControlPayloadResponse(error_message="more than 1 MiB", is_too_large=True)

    server = grpc.aio.server()
    behaviours = {"ListApps": list_of, "ListLLMs": list_of, "QueueControlPayload": refuse}
    server.add_generic_rpc_handlers((handler_of(MANAGEMENT, behaviours),))
    server.add_insecure_port(f"unix:{tmp_path}/s")
    await server.start()
    async with connected() as (connection, services):
        connection.broker_id = 1
        await connection.announcements.put("host", ConnInfo(service_id=1, network="unix", address=f"{tmp_path}/s"))
        gateway = services.gateway()
        await gateway.list_apps(is_active=None)
        await gateway.count_llms()
        with pytest.raises(PayloadTooLarge, match="1 MiB"):
            await gateway.send_to_control(b"x")
    await server.stop(None)
    assert asked == [(False, True), (True, False)]


Call = Callable[[GatewayServices], Awaitable[Any]]

CALLS: list[tuple[Scope, Call]] = [
    ("apps.read", lambda gateway: gateway.list_apps()),
    ("apps.read", lambda gateway: gateway.get_app(1)),
    ("llms.read", lambda gateway: gateway.list_llms()),
    ("llms.read", lambda gateway: gateway.get_llm(1)),
    ("budget.read", lambda gateway: gateway.get_budget_status(1)),
    ("pricing.read", lambda gateway: gateway.list_model_prices()),
    ("pricing.read", lambda gateway: gateway.get_model_price("gpt-4o", "openai")),
    ("credentials.validate", lambda gateway: gateway.validate_credential("x")),
    ("control.send", lambda gateway: gateway.send_to_control(b"x")),
]


async def test_each_call_takes_its_scope_and_no_other(tmp_path: Path) -> None:
    """Granted alone it is enough; all others are not. A licence is asked for without any."""
    host: Any = Host()
    for number, scope in enumerate(get_args(Scope)):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with asking(host, folder, scopes=(scope,)) as services:
            for needed, call in CALLS:
                if needed == scope:
                    await call(services.gateway())
                else:
                    with pytest.raises(ScopeDenied, match=needed):
                        await call(services.gateway())
            assert await services.gateway().get_license_info() == LicenseInfo()
