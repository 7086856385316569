"""What is said when a server cannot be had."""

from __future__ import annotations

from pathlib import Path

from sluice.dev.servers.errors import MissingPrerequisitesError, ServerError, ServerStartError, tail


def test_a_tail_has_the_last_lines_and_survives_a_missing_file(tmp_path: Path) -> None:
    """Bytes that are no text are shown as well as they can be."""
    log = tmp_path / "log"
    log.write_bytes(b"one\ntwo\n\xffthree\n")
    assert tail(log, lines=2) == "    two\n    \N{REPLACEMENT CHARACTER}three"
    assert "no log" in tail(tmp_path / "none")


def test_every_error_is_a_server_error_that_says_what_to_do(tmp_path: Path) -> None:
    """Callers catch one class."""
    missing = MissingPrerequisitesError(["install a", "install b"])
    assert isinstance(missing, ServerError)
    assert (str(missing), missing.missing) == ("install a; install b", ("install a", "install b"))
    start = ServerStartError("Kafka", "it ended by itself", tmp_path / "kafka.log")
    assert isinstance(start, ServerError)
    assert str(start).endswith(f"the whole log: {tmp_path / 'kafka.log'}")
