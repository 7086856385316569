"""``sluice budgets``: what the ledger has, and taking back what a dead host holds; on the control database itself."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from gateway.control.admin.errors import UsageError
from gateway.control.admin.session import DEFAULT_CONFIG, AsJson, Config, reporting
from gateway.control.admin.show import show_json, show_rows
from sluice.command_line.application import Application

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.control.api.services import BudgetStatus
    from gateway.control.database import ControlDatabase
    from gateway.control.write_off import HostHoldings, WrittenOff

T = TypeVar("T")

_BUDGETS = ("app_id", "monthly_budget", "current_usage", "granted", "stranded", "period_start", "period_end")
_HOSTS = ("host", "holds", "is_alive")
_WRITTEN_OFF = ("scope", "app_id", "llm_id", "period_start", "amount")

Host = Annotated[str, typer.Option("--host", help="The host's name, as `sluice budgets show` has it.")]
Force = Annotated[bool, typer.Option("--force", help="Although it was heard of within the last minute.")]


def budgets_app() -> typer.Typer:
    """The sub-command, to be added to ``sluice``."""
    text = """Look at the ledger of budgets, and mend it. Works on the control database of --config.

    Exits 1 where the ledger refuses, 2 where the settings or the database cannot be used.

    Example: sluice budgets show
    """
    app = Application(name="budgets", help=text)
    app.command("show")(show)
    app.command("write-off")(write_off)
    return app


def show(config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Show every budget of an app in its present period, and the hosts that hold parts of budgets.

    Example: sluice budgets show --config sluice.yaml
    """
    budgets, hosts = _on_database(config, _read)
    budget_rows = [_budget_row(status) for status in budgets]
    host_rows = [_host_row(held) for held in hosts]
    if as_json:
        show_json({"budgets": budget_rows, "hosts": host_rows})
        return
    show_rows(budget_rows, _BUDGETS)
    typer.echo()
    show_rows(host_rows, _HOSTS)


def write_off(
    host: Host,
    force: Force = False,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Take back all that a dead host holds of budgets and has not reported as spent; audited.

    What it spent without reporting it is then spent beyond the budget: only do this to a host that will not come back.

    Example: sluice budgets write-off --host edge-3
    """
    from gateway.control.entities import Actor  # noqa: PLC0415 - every sluice command imports this file
    from gateway.control.write_off import write_off as take_back  # noqa: PLC0415 - as above

    async def act(database: ControlDatabase) -> list[WrittenOff]:
        return await take_back(database, host, Actor("command"), even_if_alive=force)

    rows = [_written_row(each) for each in _on_database(config, act)]
    if as_json:
        show_json({"host": host, "written_off": rows})
    elif rows:
        show_rows(rows, _WRITTEN_OFF)
    else:
        typer.echo(f"{host} holds nothing")


def _on_database(config: Path, act: Callable[[ControlDatabase], Coroutine[Any, Any, T]]) -> T:
    """What comes of it. A database that cannot be used ends the command with 2, a refusal with 1."""
    import asyncio  # noqa: PLC0415 - as above

    from gateway.control.errors import ControlDatabaseError, InvalidError  # noqa: PLC0415 - as above
    from gateway.control.opening import open_control  # noqa: PLC0415 - as above
    from gateway.settings import Settings  # noqa: PLC0415 - as above
    from sluice.secrets import SecretError  # noqa: PLC0415 - as above
    from sluice.settings import SettingsError, load_settings  # noqa: PLC0415 - as above

    async def opened() -> T:
        async with open_control(load_settings(config, Settings)) as control:
            return await act(control.store.database)

    with reporting():
        try:
            return asyncio.run(opened())
        except (SettingsError, SecretError, ControlDatabaseError) as error:
            raise UsageError(str(error)) from None
        except InvalidError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from error


async def _read(database: ControlDatabase) -> tuple[list[BudgetStatus], list[HostHoldings]]:
    from gateway.control.budget_status import BudgetBooks  # noqa: PLC0415 - as above
    from gateway.control.write_off import holdings  # noqa: PLC0415 - as above

    return list(await BudgetBooks(database).overview()), await holdings(database)


def _budget_row(status: BudgetStatus) -> dict[str, Any]:
    from sluice.clock import iso_micros  # noqa: PLC0415 - as above
    from sluice.money.nanos import format_nanos  # noqa: PLC0415 - as above

    return {
        "app_id": status.app_id,
        "monthly_budget": format_nanos(status.limit_nanos),
        "current_usage": format_nanos(status.spent_nanos),
        "granted": format_nanos(status.granted_nanos),
        "stranded": format_nanos(status.stranded_nanos),
        "period_start": iso_micros(status.period_start),
        "period_end": iso_micros(status.period_end),
    }


def _host_row(held: HostHoldings) -> dict[str, Any]:
    from sluice.money.nanos import format_nanos  # noqa: PLC0415 - as above

    return {"host": held.host, "holds": format_nanos(held.idle_nanos), "is_alive": held.is_alive}


def _written_row(found: WrittenOff) -> dict[str, Any]:
    from gateway.access.ledger import SCOPES  # noqa: PLC0415 - as above
    from sluice.clock import iso_micros  # noqa: PLC0415 - as above
    from sluice.money.nanos import format_nanos  # noqa: PLC0415 - as above

    kind, app_id, llm_id, start = found.key
    return {
        "scope": SCOPES[kind],
        "app_id": app_id or None,
        "llm_id": llm_id or None,
        "period_start": iso_micros(start),
        "amount": format_nanos(found.nanos),
    }
