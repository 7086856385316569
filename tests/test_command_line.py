"""The command line as people meet it: help texts, their examples, completion, how it ends, how fast it starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from sluice.command_line.application import Panel
from sluice.settings import environment
from tests import help_texts
from tests.help_texts import FOLDER, HelpPage, commands_table, pages

PAGES = pages()
HEAVY = (
    "aiohttp aiokafka asyncio elasticsearch fastapi fastavro grpc httpx msgspec orjson polars pydantic rich sqlalchemy"
)
COLLECTORS = """\
data_collection_plugins:
  - {name: es-main, service: search, path: "sink://elasticsearch"}
  - {name: events-db, path: "sink://database"}
"""
CPU_SECONDS = 0.25
"""Of `sluice --help`, at most: above it people feel that they wait."""


def sluice(
    *arguments: str, folder: Path | None = None, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The real command, in a process of its own."""
    return subprocess.run(
        command(arguments),
        cwd=folder, env={**environment(), **(variables or {})}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def command(arguments: Sequence[str]) -> list[str]:
    """As the installed script does it."""
    return [sys.executable, "-c", "import sys; sys.argv[0] = 'sluice'; from sluice.cli import main; main()", *arguments]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_help_texts_are_the_kept_ones(page: HelpPage) -> None:
    """Whoever changes what people read sees the change, and renews it on purpose: ``make help-texts``."""
    assert page.file.is_file(), f"no help text of {page.name!r} is kept: make help-texts"
    assert page.text == page.file.read_text("utf-8"), "make help-texts, and look at the difference"


def test_no_help_text_is_kept_of_a_command_that_is_gone() -> None:
    """The folder is the list of commands."""
    assert {path.name for path in FOLDER.glob("*.txt")} == {page.file.name for page in PAGES}


def test_renewing_changes_nothing_that_is_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it writes is what is compared; files of commands that are gone go."""
    monkeypatch.setattr(help_texts, "FOLDER", tmp_path)
    (tmp_path / "sluice-gone.txt").touch()
    help_texts.write()
    assert {path.name: path.read_text("utf-8") for path in tmp_path.glob("*.txt")} == {
        path.name: path.read_text("utf-8") for path in FOLDER.glob("*.txt")
    }


@pytest.mark.parametrize("variables", [{"COLUMNS": "40"}, {"COLUMNS": "200", "TERM": "dumb"}, {"TYPER_USE_RICH": "0"}])
def test_kept_texts_depend_on_no_terminal(variables: dict[str, str]) -> None:
    """The same on a narrow, on a wide, on a dumb one, and without rich."""
    script = "from tests.help_texts import pages; print(''.join(page.text for page in pages()), end='')"
    root = Path(__file__).parent.parent
    shown = subprocess.run(
        [sys.executable, "-c", script],
        cwd=root, env={**environment(), **variables}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stdout == "".join(page.text for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_are_taken(page: HelpPage) -> None:
    """Every help text has one, and the command of the text understands each: no option in it that there is not."""
    assert page.examples, f"{page.name}: end its help with a paragraph `Example: {page.name} …`"
    for words in page.examples:
        assert tuple(words[: len(page.path)]) == page.path, f"an example of {page.name} is of another command"
        _parse(page, words)


def _parse(page: HelpPage, words: list[str]) -> None:
    """Down the tree, as the parser does it, without running anything."""
    context, rest = PAGES[0].context, words[1:]
    if any(word.endswith("-completion") for word in rest):
        assert rest[0] in page.text
        return
    cut = next((at for at, word in enumerate(rest) if word in {"<", ">", "|"}), len(rest))
    node, rest = PAGES[0].command, rest[:cut]
    while True:
        context = node.make_context(words[0], rest, parent=None if node is PAGES[0].command else context)
        if not getattr(node, "commands", None) or not (rest := [*context._protected_args, *context.args]):
            return
        _, node, rest = node.resolve_command(context, rest)


def test_an_example_with_an_unknown_option_is_noticed() -> None:
    """The test above can fail."""
    with pytest.raises(Exception, match="No such option"):
        _parse(PAGES[0], ["sluice", "admin", "apps", "create", "--nonsense"])
    with pytest.raises(Exception, match="No such command"):
        _parse(PAGES[0], ["sluice", "admin", "aps", "list"])


def test_the_readme_lists_every_command() -> None:
    """With what it does, as `--help` says it; none that is gone."""
    table = help_texts.README.read_text("utf-8").partition("## Commands\n\n")[2].rstrip("\n")
    assert table == commands_table(), "make help-texts"


def test_every_command_has_its_panel() -> None:
    """One screen in four parts; nothing stands in a heap of others."""
    text = PAGES[0].text
    places = [text.index(f"\n{panel.value}:\n") for panel in Panel if panel is not Panel.MISSING]
    assert places == sorted(places)
    assert "\nCommands:\n" not in text


def test_options_are_called_the_same_everywhere() -> None:
    """A settings file, a document for scripts, a yes: each has one option, and its value one name."""
    for page in PAGES:
        for parameter in page.command.params:
            known = {"config": "--config", "collectors": "--collectors", "as_json": "--json", "yes": "--yes"}
            if parameter.param_type_name == "option" and parameter.name in known:
                assert known[parameter.name] in parameter.opts, page.name
            if parameter.name in {"config", "collectors"}:
                assert parameter.metavar in {"FILE", "FILE|URL"}, page.name


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    """Each shell is given a script that asks `sluice` in its own way."""
    shown = sluice(variables={"_SLUICE_COMPLETE": f"source_{shell}"})
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"_SLUICE_COMPLETE=complete_{shell}" in shown.stdout.replace("'", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sluice do", {"doctor"}),
        ("sluice admin to", {"tokens"}),
        ("sluice doctor --fi", {"--fix"}),
        ("sluice collectors ", {"search", "events-db"}),
        ("sluice collect se", {"search"}),
        ("sluice replay --sink e", {"es-main", "events-db"}),
        ("sluice replay --collectors nowhere.yaml --sink e", set()),
        ("sluice tail an", {"analytics"}),
        ("sluice redrive --kind b", {"budget"}),
        ("sluice validate coll", {"collectors.yaml"}),
        ("sluice gateway --log-level w", {"warning"}),
    ],
)
def test_completion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shell: str, line: str,
    expected: set[str],
) -> None:  # fmt: skip
    """Commands, options, and what ``collectors.yaml`` of this folder has; asked as each shell asks."""
    (tmp_path / "collectors.yaml").write_text(COLLECTORS)
    monkeypatch.chdir(tmp_path)
    for name, value in asked_by(shell, line).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        PAGES[0].command.main([], prog_name="sluice", complete_var="_SLUICE_COMPLETE")
    said = capsys.readouterr()
    assert (offered(shell, said.out), said.err) == (expected, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_in_a_process(tmp_path: Path, shell: str) -> None:
    """The installed command answers the same."""
    (tmp_path / "collectors.yaml").write_text(COLLECTORS)
    shown = sluice(folder=tmp_path, variables=asked_by(shell, "sluice replay --sink ev"))
    assert (offered(shell, shown.stdout), shown.stderr) == ({"events-db"}, "")


def asked_by(shell: str, line: str) -> dict[str, str]:
    """What the shell's script sets, with the cursor at the end of the line."""
    words = line.split(" ")
    return {
        "_SLUICE_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1),  # bash
        "_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_WORD_TO_COMPLETE": words[-1],
    }  # fmt: skip


def offered(shell: str, output: str) -> set[str]:
    """What it would show."""
    if shell == "zsh":
        found = [part.split('"')[1] for part in output.splitlines() if '"' in part]
    else:
        found = [each.partition("\t")[0] for each in output.splitlines()]
    return {each for each in found if each}


def test_help_starts_quickly_and_loads_nothing_heavy() -> None:
    """Everybody waits for it, and for the tab key: 250 ms of a processor at most, the best of several, and only what
    the command line itself needs."""
    script = (
        "import io, resource, sys; from contextlib import redirect_stdout, suppress; from sluice.cli import main\n"
        "sys.argv = ['sluice', '--help']\n"
        "with redirect_stdout(io.StringIO()), suppress(SystemExit): main()\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        f"print(used.ru_utime + used.ru_stime, *(set({HEAVY.split()!r}) & set(sys.modules)))"
    )
    seconds = []
    for _ in range(5):
        run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        took, *loaded = run.stdout.split()
        assert loaded == []
        seconds.append(float(took))
    assert min(seconds) <= CPU_SECONDS


def test_nothing_is_coloured_for_a_file(tmp_path: Path) -> None:
    """No escape sequence where no terminal reads, whatever is shown."""
    for arguments in (["--help"], ["doctor"], ["nonsense"]):
        shown = sluice(*arguments, folder=tmp_path)
        assert "\x1b" not in shown.stdout + shown.stderr


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {}])
def test_a_terminal_without_colours(tmp_path: Path, variables: dict[str, str]) -> None:
    """On a terminal what is wrong is red, and with NO_COLOR nothing is."""
    (tmp_path / "sluice.yaml").write_text("nonsense: 1\n")
    ours, theirs = os.openpty()
    env = {name: value for name, value in environment().items() if name != "NO_COLOR"} | variables
    with subprocess.Popen(
        command(["doctor"]), cwd=tmp_path, env=env, stdout=theirs, stdin=subprocess.DEVNULL
    ) as process:
        os.close(theirs)
        shown = b""
        while piece := _read(ours):
            shown += piece
        assert process.wait(60) == 1
    os.close(ours)
    assert b"BAD" in shown
    assert (b"\x1b[" in shown) == (not variables)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # the other end is closed
        return b""


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    """`sluice … | head -1`: silence, however much was still to be written."""
    (tmp_path / "c.yaml").write_text("data_collection_plugins: []\n")
    files = ["c.yaml"] * 1_500
    with subprocess.Popen(
        command(["validate", *files]), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "c.yaml: valid (collectors)\n"
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(60) in {0, 1}


def test_ctrl_c_ends_with_130() -> None:
    """As shells expect it, and without a traceback."""
    script = (
        "import time; from sluice.command_line.ending import run\n"
        "def wait():\n    print('ready', flush=True)\n    time.sleep(60)\n"
        "run(wait)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == ""
        assert process.wait(30) == 130
