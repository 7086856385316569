"""The authors' page: what it shows runs, and what there is stands on it."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import shlex
import sys
from pathlib import Path
from typing import get_args

import pytest

import sluice.sdk
from sluice.dev.servers.ports import free_port
from sluice.sdk import capabilities, testing
from sluice.sdk.capabilities import Capability, Hook
from sluice.sdk.services import GatewayServices, KeyValue, Messages, Scope, StudioServices
from sluice.sdk.testing import make_frames, make_response, run_stream
from tests.integration.service import Service

PAGE = (Path(sluice.sdk.__file__).parent / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
PROGRAMS = [source for language, _, source in BLOCKS if language == "python"]
PORTS = ("8080", "9101")


def section(title: str) -> str:
    """The text below a heading."""
    return PAGE.partition(f"\n## {title}")[2].partition("\n## ")[0]


def test_every_public_name_is_on_the_page() -> None:
    """What can be imported is said what it is for."""
    assert [name for name in sluice.sdk.__all__ if not re.search(rf"\b{name}\b", PAGE)] == []


def test_every_moment_is_on_the_page() -> None:
    """Each hook with its capability and method, and each method that belongs to no exchange."""
    moments = section("Moments")
    assert [hook for hook in get_args(Hook) if f"| `{hook}` |" not in moments] == []
    every: list[type[Capability]] = [
        each
        for each in vars(capabilities).values()
        if isinstance(each, type) and issubclass(each, Capability) and Capability in each.__bases__
    ]
    assert len(every) >= 11
    for capability in every:
        for method in (*capability.hooks.values(), *capability.methods):
            assert capability.__name__ in moments
            assert method in moments


def test_every_service_and_scope_is_on_the_page() -> None:
    """Method by method."""
    services = section("Services")
    assert [scope for scope in get_args(Scope) if f"`{scope}`" not in services] == []
    for protocol in (KeyValue, Messages, GatewayServices, StudioServices):
        own = [name for name, member in vars(protocol).items() if inspect.isfunction(member) and name[0] != "_"]
        assert [name for name in own if not re.search(rf"\b{name}\b", services)] == [], protocol.__name__


def test_every_maker_of_the_testing_kit_is_on_the_page() -> None:
    """So that nobody writes it again."""
    makers = [name for name in testing.__all__ if name.startswith(("make_", "run_", "start_"))]
    assert [name for name in makers if name not in PAGE] == []


@pytest.mark.parametrize("source", PROGRAMS, ids=range(len(PROGRAMS)))
def test_the_programs_compile(source: str) -> None:
    """Each as it stands; the first is as small as promised."""
    compile(source, "README.md", "exec")
    assert len([line for line in PROGRAMS[0].splitlines() if line.strip()]) <= 25


async def test_the_program_for_streams_does_what_is_said() -> None:
    """Whole answers and streams, wherever they are cut."""
    (source,) = [source for source in PROGRAMS if "class Discreet" in source]
    namespace: dict[str, object] = {"__name__": "discreet"}
    exec(source, namespace)  # noqa: S102 - our own page
    plugin = namespace["Discreet"]()  # type: ignore[operator]
    whole = await plugin.on_before_write(testing.make_context(), make_response(b'{"text":"Project Manhattan, Ada"}'))
    assert whole.body == b'{"text":"[project], Ada"}'
    run = await run_stream(plugin, make_frames(list("Project Manhattan, Ada")))
    deltas = [json.loads(line[6:]) for line in run.body.splitlines() if line.startswith(b"data: {")]
    assert "".join(each["choices"][0]["delta"].get("content", "") for each in deltas) == "[project], Ada"


def test_every_symptom_has_a_command_and_a_remedy() -> None:
    """And the commands are those that there are."""
    rows = [line.strip("|").split(" | ") for line in section("When it does not work").splitlines() if "| " in line][2:]
    assert len(rows) >= 11
    for _, command, remedy in rows:
        assert re.match(r"`(sluice (plugins|doctor)|curl )", command.strip())
        assert remedy.strip()


class Tutorial:
    """The tutorial's folder, and how its commands are run: on ports of this test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {port: str(free_port()) for port in PORTS}
        self.services: list[Service] = []

    def write(self) -> None:
        """Its files, under the names that the page gives them."""
        (self.folder / "word_limit.py").write_text(PROGRAMS[0])
        for _, name, text in BLOCKS:
            if name:
                (self.folder / name).write_text(self.on_own_ports(text))

    def on_own_ports(self, text: str) -> str:
        """The same for somebody whose ports are taken."""
        for port, own in self.ports.items():
            text = re.sub(rf"\b{port}\b", own, text)
        return text

    async def run(self, line: str) -> str:
        """One line of a shell; what it printed. One that ends in ``&`` is waited for until it serves."""
        words = shlex.split(self.on_own_ports(line))
        if words[-1] == "&":
            port, ready = ("9101", "/v1/models") if "mock-vendor" in words else ("8080", "/ready")
            url = f"http://127.0.0.1:{self.ports[port]}"
            service = Service(words[1], words[1:-1], folder=self.folder, url=url, ready=ready)
            self.services.append(service)
            await service.start()
            return ""
        programs = {"python": [sys.executable], "sluice": [sys.executable, "-m", "sluice"]}
        command = [*programs.get(words[0], words[:1]), *words[1:]]
        process = await asyncio.create_subprocess_exec(
            *command, cwd=self.folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        out, _ = await process.communicate()
        assert process.returncode == 0, f"{line}\n{out.decode()}"
        return out.decode()

    async def close(self) -> None:
        """End what it started."""
        for service in reversed(self.services):
            await service.stop()


async def test_the_tutorial_runs_as_it_is_written(tmp_path: Path) -> None:
    """Every file and every command, in order, from an empty folder: the test passes, the vendor answers, the plugin
    refuses."""
    tutorial = Tutorial(tmp_path)
    tutorial.write()
    commands = [line for language, _, text in BLOCKS if language == "sh" for line in text.splitlines()]
    try:
        printed = [await tutorial.run(line) for line in commands]
    finally:
        await tutorial.close()
    assert len(commands) == 6
    assert "2 passed" in printed[0]
    assert json.loads(printed[-2])["choices"][0]["message"]["content"]
    assert "9 words are more than 5" in printed[-1]
