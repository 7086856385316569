"""How commands end: 0, 1 where the API refused, 2 where it was not asked; one line, never a traceback."""

from __future__ import annotations

import pytest
import typer

from gateway.control.admin.errors import RefusedError, UnreachableError
from gateway.control.admin.session import reporting
from gateway.settings import ControlSettings
from tests.gateway.control.admin.shell import Shell


@pytest.mark.parametrize(("error", "code"), [(RefusedError(400, {"error": "no"}), 1), (UnreachableError("away"), 2)])
def test_an_error_is_a_line_and_a_status(error: Exception, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    """On the error output."""
    with pytest.raises(typer.Exit) as ended, reporting():
        raise error
    assert ended.value.exit_code == code
    assert capsys.readouterr().err.splitlines() == [str(error)]


def test_a_wrong_token_is_refused_and_not_shown(shell: Shell) -> None:
    """Status 1: it was the API that said so."""
    result = shell.run("admin", "apps", "list", "--token", "wrong-token", code=1)
    assert "Unauthorized" in result.stderr
    assert "wrong-token" not in result.output


def test_without_a_token_the_ways_to_give_one_are_named(shell: Shell) -> None:
    """All three."""
    said = shell.run("admin", "apps", "list", code=2).stderr
    assert all(way in said for way in ("--token", "SLUICE_ADMIN_TOKEN", "--config"))


class TestOfTheReference:
    """Against a gateway that answers in the reference's dialect."""

    @pytest.fixture
    def control(self) -> ControlSettings:
        return ControlSettings(dialect="reference", allow_private_endpoints=True)

    def test_commands_work_too(self, shell: Shell) -> None:
        """Tables show what its rows have."""
        shell.admin("llms", "create", "name=GPT", "vendor=openai", "endpoint=http://127.0.0.1:9/v1")
        assert "GPT" in shell.admin("llms", "list").stdout
        assert "LLM not found: 9" in shell.admin("llms", "show", "9", code=1).stderr
        shell.admin("plugins", "create", "name=p", "command=python://a:B")
        assert shell.admin("plugins", "attach", "1", "1").stdout == "LLM plugins updated successfully\n"
        shell.admin("plugins", "health")
