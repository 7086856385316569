"""``sluice prices``: which price holds and why, what two price lists differ in, and a newer base table from a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.control.admin.errors import UsageError
from gateway.control.admin.session import DEFAULT_CONFIG, AsJson, Config, reporting
from gateway.control.admin.show import show_json, show_rows
from sluice.command_line.application import Application

if TYPE_CHECKING:
    from gateway.control.entities import PriceEntity
    from gateway.settings import Settings
    from sluice.money.base_prices import BasePrices
    from sluice.money.prices import Price, PriceTable

_COLUMNS = (
    "holds",
    "id",
    "vendor",
    "model",
    "currency",
    "prompt",
    "response",
    "cache_read",
    "cache_write",
    "valid_from",
)
_WHY = ("holds", "id", "why", "prompt", "response", "currency", "price_version", "valid_from")
_PACKAGED, _BASE = "packaged", "base"

Vendor = Annotated[str, typer.Option("--vendor", help="Only this vendor's; the base table's too.")]
Model = Annotated[str, typer.Option("--model", help="Only those that are for this model.")]
At = Annotated[str, typer.Option("--at", help="At this moment, RFC 3339; by default now.")]
Version = Annotated[
    str,
    typer.Argument(
        metavar="VERSION", help="A price_version of your own rows; base, packaged, or a file of base prices."
    ),
]


def prices_app() -> typer.Typer:
    """The sub-command, to be added to ``sluice``."""
    text = """Show prices, which of them holds and why. Works on the control database of --config.

    Example: sluice prices show
    """
    app = Application(name="prices", help=text)
    app.command("show")(show)
    app.command("why")(why)
    app.command("diff")(diff)
    app.command("update")(update)
    return app


def show(vendor: Vendor = "", model: Model = "", config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Show prices for a million tokens, and which of them hold now: your own, and those of the base table below them.

    Example: sluice prices show --vendor openai --model gpt-4o
    """
    from gateway.control.admin.price_rows import explain, holding  # noqa: PLC0415 - every sluice command imports this file
    from sluice.clock import now_micros  # noqa: PLC0415 - as above

    with reporting():
        if model and not vendor:
            raise UsageError("--model: names a model of no vendor; add --vendor")
        table = _table(config)
    if model:
        rows = explain(table, vendor, model, now_micros())
    else:
        own = [price for price in table.rows if vendor in {"", price.vendor}]
        rows = [*holding(table, own, now_micros()), *_base_rows(table, vendor, now_micros())]
    if as_json:
        show_json({"base": table.base.version if table.base else None, "prices": rows})
        return
    show_rows(rows, _COLUMNS)
    if not vendor:
        base = f"{table.base.version}; name a --vendor to see its prices" if table.base else "none"
        typer.echo(f"base table: {base}", err=True)


def why(
    vendor: Annotated[str, typer.Argument(metavar="VENDOR")],
    model: Annotated[str, typer.Argument(metavar="MODEL")],
    at: At = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Say which row prices a model, and why no other; exits 1 where none does.

    Example: sluice prices why openai gpt-4o --at 2026-01-31T12:00:00Z
    """
    from gateway.control.admin.price_rows import explain  # noqa: PLC0415 - as above

    with reporting():
        moment = _moment(at)
        table = _table(config)
    rows = explain(table, vendor, model, moment)
    if as_json:
        show_json({"vendor": vendor, "model": model, "prices": rows})
    elif rows:
        show_rows(rows, _WHY)
    if not any(row["holds"] for row in rows):
        base = "the base table does not know it" if table.base else "prices_base is none"
        typer.echo(f"no price of {vendor}/{model}: no row of your own is for it, and {base}", err=True)
        raise typer.Exit(1)


def diff(before: Version, after: Version, config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Show what differs between two versions of your own rows (as the audit has them), or between two base tables.

    Example: sluice prices diff packaged base
    """
    from gateway.control.admin.price_rows import differences  # noqa: PLC0415 - as above

    with reporting():
        settings = _settings(config)
        rows = differences(*(_list(name, settings) for name in (before, after)))
    if as_json:
        show_json(rows)
    elif rows:
        show_rows([{**row, "fields": _changed(row.get("fields"))} for row in rows],
                  ("change", "id", "prompt", "response", "fields"))  # fmt: skip
    else:
        typer.echo(f"{before} and {after} have the same prices")


def update(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The data.json that genai-prices publishes.")],
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Use a newer base table: checked, then kept in the data_dir of --config, where gateways find it when they start.

    A file that cannot be used changes nothing, and exits 2.

    Example: sluice prices update data.json
    """
    from gateway.base_prices import install_prices  # noqa: PLC0415 - as above
    from sluice.money.base_prices import BasePricesError  # noqa: PLC0415 - as above

    with reporting():
        settings = _settings(config)
        try:
            installed = install_prices(file, settings.data_dir)
        except BasePricesError as error:
            raise UsageError(f"{file}: cannot be used: {error}") from None
    if as_json:
        show_json({"price_version": installed.version, "models": installed.models, "path": str(installed.path)})
    else:
        typer.echo(f"{installed.models} models, {installed.version}: {installed.path}; restart gateways to use it")


def _moment(at: str) -> int:
    from sluice.clock import micros_of, now_micros  # noqa: PLC0415 - as above

    if not at:
        return now_micros()
    try:
        moment = datetime.fromisoformat(at)
        return micros_of(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise UsageError(f"--at: {at!r} is no moment; write RFC 3339, e.g. 2026-01-31T12:00:00Z") from None


def _settings(config: Path) -> Settings:
    from gateway.settings import Settings  # noqa: PLC0415 - as above
    from sluice.settings import SettingsError, load_settings  # noqa: PLC0415 - as above

    try:
        return load_settings(config, Settings)
    except SettingsError as error:
        raise UsageError(str(error)) from None


def _table(config: Path) -> PriceTable:
    """The rows of the control database over the base table."""
    from gateway.base_prices import base_prices_of  # noqa: PLC0415 - as above
    from gateway.snapshot_builder import price_table  # noqa: PLC0415 - as above

    settings = _settings(config)
    own, _ = _read(settings)
    return price_table(own, base_prices_of(settings))


def _read(settings: Settings) -> tuple[list[PriceEntity], list[PriceEntity]]:
    """The rows, and every state that the audit has of any."""
    import asyncio  # noqa: PLC0415 - as above

    from gateway.control.errors import ControlDatabaseError  # noqa: PLC0415 - as above
    from gateway.control.opening import open_control  # noqa: PLC0415 - as above
    from gateway.control.price_history import past_prices  # noqa: PLC0415 - as above
    from sluice.secrets import SecretError  # noqa: PLC0415 - as above

    async def read() -> tuple[list[PriceEntity], list[PriceEntity]]:
        async with open_control(settings) as control:
            own = list((await control.store.load()).prices.values())
            return own, await past_prices(control.store.database)

    try:
        return asyncio.run(read())
    except (SecretError, ControlDatabaseError) as error:
        raise UsageError(str(error)) from None


def _base_rows(table: PriceTable, vendor: str, at_micros: int) -> Iterator[dict[str, Any]]:
    from gateway.control.admin.price_rows import price_row  # noqa: PLC0415 - as above

    seen: set[str] = set()
    for price in table.base.rows(vendor) if table.base is not None and vendor else ():
        is_newest = price.holds_at(at_micros) and price.model not in seen
        if is_newest:
            seen.add(price.model)
        covered = table.find(vendor, price.model, at_micros)
        own = covered is not None and covered in table.rows
        yield {**price_row(price), "holds": is_newest and not own}


def _list(name: str, settings: Settings) -> Sequence[Price]:
    """A version's rows: of a base table where the name is one, else of the operator's own."""
    from gateway.base_prices import base_prices_of  # noqa: PLC0415 - as above
    from gateway.snapshot_builder import price_table  # noqa: PLC0415 - as above
    from sluice.money.base_prices import BasePricesError, read_base_prices  # noqa: PLC0415 - as above

    if name in {_PACKAGED, _BASE} or Path(name).is_file():
        try:
            if name == _BASE:
                base = base_prices_of(settings)
            else:
                base = read_base_prices() if name == _PACKAGED else _of_file(Path(name))
        except BasePricesError as error:
            raise UsageError(f"{name}: cannot be used: {error}") from None
        return [row for provider in base.providers for row in base.rows(provider)] if base else []
    own, past = _read(settings)
    rows = {entity.key: entity for entity in (*past, *own) if entity.price_version == name}
    if not rows:
        known = ", ".join(sorted({entity.price_version for entity in (*past, *own)})) or "none"
        raise UsageError(f"{name!r} is no version of your prices (known: {known}), nor base, packaged or a file")
    return price_table(rows.values()).rows


def _of_file(path: Path) -> BasePrices:
    """A published data file, or a table made of one."""
    from gateway.base_prices import convert_prices  # noqa: PLC0415 - as above
    from sluice.money.base_prices import BasePricesError, read_base_prices  # noqa: PLC0415 - as above

    try:
        return read_base_prices(path)
    except BasePricesError:
        return convert_prices(path)[0]


def _changed(fields: dict[str, Any] | None) -> str:
    if not fields:
        return ""
    return ", ".join(f"{name} {change['from']} -> {change['to']}" for name, change in fields.items())
