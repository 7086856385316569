"""How the command ends: a status for each way."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from typing import NoReturn

import pytest

from sluice.command_line import ending
from sluice.command_line.ending import extra_of, run


def code_of(command: Callable[[], object]) -> object:
    """What the process would end with."""
    with pytest.raises(SystemExit) as ended:
        run(command)
    return ended.value.code


def raising(error: BaseException) -> Callable[[], object]:
    """A command that ends so."""

    def command() -> NoReturn:
        raise error

    return command


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (lambda: None, 0),
        (raising(SystemExit(2)), 2),
        (raising(SystemExit()), None),
        (raising(KeyboardInterrupt()), 130),
    ],
)
def test_codes(command: Callable[[], object], code: object) -> None:
    """A command's own is kept; 130 is Ctrl-C."""
    assert code_of(command) == code


def test_a_missing_extra_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2 and the install command, whichever command met it."""
    assert code_of(raising(ModuleNotFoundError("no", name="aiokafka"))) == 2
    assert capsys.readouterr().err == "aiokafka is not installed: pip install 'sluice-gateway[kafka]'\n"


def test_a_module_of_ours_that_is_not_there_is_a_fault() -> None:
    """It is raised, not explained away as an extra."""
    with pytest.raises(ModuleNotFoundError):
        run(raising(ModuleNotFoundError("no", name="sluice.no_such_room")))


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("aiokafka", "kafka"), ("aiokafka.admin", "kafka"), ("grpc", "plugins"), ("polars", "collectors"),
        ("botocore", "bedrock"), ("asyncpg", "postgres"), ("google.auth", "vertex"), ("re2", "redaction"),
        ("rs_bpe", "tokenizer"), ("opentelemetry.proto", "otlp"), ("opentelemetry.sdk", "otel"), ("fastapi", "gateway"),
        ("email_validator", "gateway"), ("typer", None), ("", None), ("no_such_thing", None),
    ],
)  # fmt: skip
def test_extras_are_found_by_what_they_bring(module: str, extra: str | None) -> None:
    """As the installed metadata say it."""
    assert extra_of(module) == extra


def test_without_metadata_nothing_is_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout that was never installed has no extras to name."""

    def none(_: str) -> NoReturn:
        raise PackageNotFoundError

    monkeypatch.setattr(ending, "requires", none)
    assert extra_of("aiokafka") is None


def test_a_closed_pipe_is_quiet() -> None:
    """Also where the rest would be written only at the interpreter's end."""
    script = "from sluice.command_line.ending import run\nrun(lambda: print('x' * 1_000))"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(30) == 0


def test_a_closed_standard_output_is_quiet() -> None:
    """`>&-`: there is nothing to flush."""
    script = "from sluice.command_line.ending import run\nrun(lambda: None)"
    command = ["sh", "-c", 'exec "$0" -c "$1" >&-', sys.executable, script]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (shown.returncode, shown.stderr) == (0, "")
