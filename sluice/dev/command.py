"""``sluice mock-vendor`` and ``sluice dev servers``."""

from __future__ import annotations

import signal
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from sluice.command_line.application import Application, Panel

if TYPE_CHECKING:
    import asyncio

    from sluice.dev.vendor import MockVendor

DEFAULT_VENDOR_PORT = 9101


def register_dev(app: typer.Typer) -> None:
    """Add the commands to ``sluice``."""
    app.command("mock-vendor", rich_help_panel=Panel.BUILD)(mock_vendor)
    dev = Application()
    dev.callback()(_describe)
    dev.command("servers")(servers)
    app.add_typer(dev, name="dev", rich_help_panel=Panel.BUILD)


def _describe() -> None:
    """What demo, tests and benchmarks stand on.

    Example: sluice dev servers
    """


def mock_vendor(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.")] = DEFAULT_VENDOR_PORT,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    log: Annotated[Path | None, typer.Option(help="Append what was served to this file, a JSON object a line.")] = None,
    values: Annotated[list[str] | None, typer.Option("--set", help="A default, key=value; may be repeated.")] = None,
) -> None:
    """Run a scripted vendor that speaks every vendor's format, by the path of a request.

    A request's own x-mock header (`x-mock: status=429;delay_ms=50`) has the same keys and wins. Exits 1 where the port
    is taken or a key is unknown.

    Example: sluice mock-vendor --port 9101 --set chunks=20 --set pace_ms=5
    """
    import asyncio  # noqa: PLC0415 - as below

    from sluice.dev.vendor import MockVendor, ScriptError  # noqa: PLC0415 - every sluice command imports this file
    from sluice.dev.vendor.script import make_script  # noqa: PLC0415 - as above

    try:
        defaults = make_script(dict(_pair(value) for value in values or ()))
    except ScriptError as error:
        _refuse(f"--set: {error}")
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(MockVendor(defaults, log), host, port))
    except OSError as error:
        _refuse(f"{host}:{port} cannot be listened on ({error.strerror}): name another with --port")


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        from sluice.dev.vendor import ScriptError  # noqa: PLC0415 - as above

        message = f"{text!r} is not key=value"
        raise ScriptError(message)
    return key, value


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The faster event loop where it is installed, which the base does not ask for."""
    if find_spec("uvloop") is None:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = import_module("uvloop").new_event_loop
    return factory


async def _serve(vendor: MockVendor, host: str, port: int) -> None:
    import asyncio  # noqa: PLC0415 - as above

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await vendor.start(port, host)
    typer.echo(f"mock vendor: {vendor.url} (what it served: {vendor.url.removesuffix('/v1')}/__log)")
    try:
        await stop.wait()
    finally:
        await vendor.close()


def servers(
    kafka_port: Annotated[int | None, typer.Option(help="Kafka's port; a free one by default.")] = None,
    elasticsearch_port: Annotated[int | None, typer.Option(help="Elasticsearch's port; a free one by default.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Where downloads are kept, instead of under /var/tmp.")] = None,
) -> None:
    """Fetch and start a real Kafka and a real Elasticsearch, until Ctrl-C. Needs Java 17 and Maven.

    Their data is temporary. Exits 1 where one cannot be fetched or started.

    Example: sluice dev servers
    """
    from sluice.dev.real import RealServers  # noqa: PLC0415 - as above
    from sluice.dev.servers import ServerError  # noqa: PLC0415 - as above

    try:
        with RealServers.start(typer.echo, kafka_port, elasticsearch_port, cache) as started:
            typer.echo(started.describe())
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            try:
                signal.pause()
            except KeyboardInterrupt:
                typer.echo("\nending both")
    except KeyboardInterrupt:
        typer.echo("\nended while starting")
        raise typer.Exit(130) from None
    except ServerError as error:
        _refuse(str(error))


def _refuse(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
