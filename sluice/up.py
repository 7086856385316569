"""``sluice up``: the gateway, its collectors and, with ``--demo``, a vendor and traffic, with one command.

1 settings, demo files   2 real servers (--real)   3 vendor, gateway, collectors, until each is ready   4 demo
5 serve: what dies is started again   6 end: the gateway, then the others, within 10 s; the rest stays in the journal
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import typer
from pydantic import BaseModel
from rich.console import Console

from sluice.dev.children import ChildError, ChildSpec
from sluice.dev.demo.state import DemoState, knows_token, missing_llms, prepare
from sluice.dev.real import RealServers
from sluice.dev.servers import ServerError
from sluice.dev.services import Services
from sluice.eventlog.interface import EventLogError
from sluice.settings import SettingsError, environment, load_settings

STATE_FOLDER = Path(".sluice")
GATEWAY_STOP_SECONDS = 4.6
COLLECTORS_STOP_SECONDS = 4.6
"""Together under 10 s: the gateway drains first, then the collectors take what it left in the journal."""

KAFKA_VARIABLE = "KAFKA_BOOTSTRAP"
ELASTICSEARCH_VARIABLE = "ES_URL"


class _Listener(BaseModel):
    host: str = "127.0.0.1"
    port: int


class _Llm(BaseModel):
    slug: str
    base_url: str


class _GatewayFile(BaseModel):
    """What is read of ``sluice.yaml``: where the gateway will listen, and the demo's vendor. The rest is its own."""

    gateway: _Listener = _Listener(port=8080)
    llms: list[_Llm] = []

    @property
    def vendor_port(self) -> int:
        """The port in the demo LLM's ``base_url``."""
        urls = [llm.base_url for llm in self.llms if llm.slug == "demo"]
        return (urlsplit(urls[0]).port if urls else None) or 0


class _CollectorsFile(BaseModel):
    """What is read of ``collectors.yaml``."""

    server: _Listener = _Listener(port=9464)


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line."""

    config: Path
    collectors: Path
    once: bool = False
    as_json: bool = False
    verbose: bool = False
    folder: Path = STATE_FOLDER
    demo: DemoState | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    """Added to the children's environment: where the real servers are."""
    log_is_new: bool = False
    """Whether those servers were started for this run, so that nothing of an earlier one is in them."""


def run_up(config: Path, collectors: Path, *, demo: bool, once: bool, real: bool, verbose: bool, as_json: bool) -> None:
    """``sluice up``: ends with 1 where the demo did not show what it should, or nothing could be started."""
    if (once or real) and not demo:
        _refuse("--once and --real belong to --demo: sluice up --demo --once")
    if not demo and not config.exists():
        _refuse(f"there is no {config}: name one with --config, or try sluice up --demo")
    console = Console(stderr=as_json, highlight=False)
    try:
        with ExitStack() as servers:
            options = Options(config, collectors, once, as_json, verbose)
            if demo:
                options = _demo_options(options, console, servers, real=real)  # 1, 2
            succeeded = asyncio.run(Up(options, console).run())
    except (SettingsError, ServerError, ChildError) as error:
        _refuse(str(error))
    except KeyboardInterrupt:  # before there was anything to drain
        raise typer.Exit(130) from None
    if not succeeded:
        raise typer.Exit(1)


def _demo_options(options: Options, console: Console, servers: ExitStack, *, real: bool) -> Options:
    folder = options.folder / ("demo-real" if real else "demo")
    state = prepare(folder, real=real)
    if missing := missing_llms(state):
        names = ", ".join(missing)
        _refuse(f"{state.config} has no LLM {names}, which the demo asks: remove {folder} to begin anew, or add it")
    if not knows_token(state):
        _refuse(f"{state.config} does not know the token of {folder / 'token'}: remove {folder} to begin anew")
    given = {name: environment().get(name, "") for name in (KAFKA_VARIABLE, ELASTICSEARCH_VARIABLE)}
    is_ours = real and not all(given.values())
    variables = {} if not real else _real_servers(console, servers) if is_ours else given
    return replace(
        options,
        config=state.config,
        collectors=state.collectors,
        demo=state,
        variables=variables,
        log_is_new=is_ours,
    )


def _real_servers(console: Console, servers: ExitStack) -> dict[str, str]:
    """Ours, until we end: where not both variables name others."""
    started = RealServers.start(lambda line: console.print(line, markup=False))
    servers.callback(started.close)
    return {KAFKA_VARIABLE: started.kafka.bootstrap_servers, ELASTICSEARCH_VARIABLE: started.elasticsearch.url}


class Up:
    """One run, from the first child to the last."""

    def __init__(self, options: Options, console: Console) -> None:
        self._options = options
        self._console = console
        variables = {**environment(), **options.variables}
        gateway = load_settings(options.config, _GatewayFile, variables)
        collectors = load_settings(options.collectors, _CollectorsFile, variables)
        self._address = f"http://{gateway.gateway.host}:{gateway.gateway.port}"
        self.specs = specs_of(options, gateway, collectors)
        self._services = Services(self.specs, Path.cwd(), options.folder / "logs", self._tell)
        self._is_ending = False

    @property
    def is_running(self) -> bool:
        """Whether any child is left."""
        return self._services.is_running

    async def run(self) -> bool:
        """Until a signal, or until the demo is over; whether it showed what it should. Raises ChildError."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine that runs is a task's
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._on_signal, task)
        try:
            return await self._work()
        except asyncio.CancelledError:
            task.uncancel()
            return not self._options.once
        except ExceptionGroup as group:
            expected = group.subgroup(ChildError)
            if expected is None:
                raise
            raise _first(expected) from group
        finally:
            await self._end()

    def _on_signal(self, task: asyncio.Task[bool]) -> None:
        """The first drains, the second does not wait."""
        if self._is_ending:
            self._services.kill()
        else:
            self._is_ending = True
            task.cancel()

    async def _work(self) -> bool:
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(self._services.follow())] if self._options.verbose else []
            await self._remember()
            self._tell("starting the gateway and its collectors")
            await self._services.start()  # 3
            beside.append(tasks.create_task(self._services.watch()))
            succeeded = await self._show()  # 4
            if not self._options.once:
                beside += self._go_on(tasks)
                self._tell("serving; Ctrl-C ends it")
                await asyncio.Event().wait()  # 5: only a signal ends it
            for task in beside:
                task.cancel()
        return succeeded

    async def _remember(self) -> None:
        """The demo's past: before its gateway and collectors start, so that they find it as a gateway left it."""
        options = self._options
        if options.demo is None or options.once:
            return
        from sluice.dev.demo.history.writing import DAYS, write_history  # noqa: PLC0415 - for the demo alone

        self._tell(f"bringing the history of the demo's teams up to now, {DAYS} days at most")
        variables = {**environment(), **options.variables}
        try:
            written = await asyncio.to_thread(write_history, options.config, variables, anew=options.log_is_new)
        except (EventLogError, OSError) as error:
            self._tell(f"no history: {error}")
        else:
            if written.exchanges:
                self._tell(f"{written.exchanges:,} exchanges of the past are on their way to the console")

    def _go_on(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """The demo's teams go on asking, now and then."""
        if self._options.demo is None:
            return []
        from sluice.dev.demo.trickle import trickle  # noqa: PLC0415 - httpx belongs to an extra

        return [tasks.create_task(trickle(self._address, self._options.demo))]

    async def _show(self) -> bool:
        """Where it is and, in the demo, what it does."""
        demo, result = self._options.demo, {"address": self._address}
        problem = ""
        if demo is None:
            self._tell(f"the gateway serves at {self._address}")
        else:
            # httpx and SQL belong to extras, which the other commands must not ask for
            from sluice.dev.demo.run import DemoError, curl_line, run_demo  # noqa: PLC0415

            result |= {"token": demo.token, "curl": curl_line(self._address, demo.token)}
            result["manage"] = f"sluice admin llms list --config {demo.config}"
            result["console"] = f"{self._address}/console/"
            self._tell(f"\nconsole  {result['console']}#/overview?range=7d")
            self._tell(f"sign in  with what this shows: cat {demo.admin_token}")
            self._tell(f"address  {self._address}\ntoken    {demo.token}\ntry      {result['curl']}")
            self._tell(f"manage   {result['manage']}\n")
            elasticsearch_url = self._options.variables.get(ELASTICSEARCH_VARIABLE, "")
            try:
                result |= await run_demo(self._address, demo, elasticsearch_url, self._console, self._tell)
            except DemoError as error:
                problem = f"{error}\n  logs: {self._options.folder / 'logs'}"
                result["problem"] = str(error)
        if self._options.as_json:
            typer.echo(json.dumps(result))
        if problem:
            self._tell(problem)
        return not problem

    async def _end(self) -> None:
        """Order is the guarantee: what the gateway drains is in the journal before the collectors are asked to end."""
        self._is_ending = True
        if self.is_running:
            self._tell("ending: the gateway drains, then the collectors")
        await self._services.stop()  # 6

    def _tell(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)


def specs_of(options: Options, gateway: _GatewayFile, collectors: _CollectorsFile) -> list[ChildSpec]:
    """The children; the gateway first, because it drains into the others."""
    sluice = [sys.executable, "-P", "-m", "sluice"]  # -P: no file of the folder it was started in is one of ours
    config = ["--config", str(options.config)]
    specs = [
        ChildSpec(
            name="gateway",
            command=[*sluice, "gateway", *config],
            host=gateway.gateway.host,
            port=_fixed(gateway.gateway.port, f"gateway.port in {options.config}"),
            port_key=f"gateway.port in {options.config}",
            stop_seconds=GATEWAY_STOP_SECONDS,
            variables=options.variables,
        ),
        ChildSpec(
            name="collectors",
            command=[*sluice, "collect", *config, "--collectors", str(options.collectors)],
            host=collectors.server.host,
            port=_fixed(collectors.server.port, f"server.port in {options.collectors}"),
            port_key=f"server.port in {options.collectors}",
            stop_seconds=COLLECTORS_STOP_SECONDS,
            variables=options.variables,
        ),
    ]
    if options.demo is None:
        return specs
    port_key = f"the port of llms.demo.base_url in {options.config}"
    port = _fixed(gateway.vendor_port, port_key)
    vendor = ChildSpec(
        name="vendor",
        command=[*sluice, "mock-vendor", "--port", str(port), "--log", str(options.config.parent / "vendor.jsonl")],
        host="127.0.0.1",
        port=port,
        port_key=port_key,
        stop_seconds=COLLECTORS_STOP_SECONDS,
        ready_path="/v1/models",
    )
    return [*specs, vendor]


def _fixed(port: int, key: str) -> int:
    """Whoever starts a service must know where it will be."""
    if port == 0:
        message = f"{key} is 0, and sluice up has to know where to look: name a port"
        raise ChildError(message)
    return port


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _refuse(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
