"""The gateway's errors: each says what was sent, and so what may be billed."""

from __future__ import annotations

import inspect
import re

import pytest

from gateway import errors
from gateway.errors import (
    GatewayError,
    PortTakenError,
    UpstreamFault,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnreachable,
)


def test_the_tree_is_the_one_that_is_drawn() -> None:
    """Every class of the tree stands in the docstring, as far in as it is below ``GatewayError``, and no other does."""
    marks = re.findall(r"^([│├└─ ]*)(\w+)", errors.__doc__ or "", re.MULTILINE)
    drawn = {name: len(indent) // 4 for indent, name in marks if indent or name == "GatewayError"}
    classes = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, GatewayError)]
    assert drawn == {kind.__name__: kind.__mro__.index(GatewayError) for kind in classes}


def test_a_taken_port_is_no_fault_of_an_exchange() -> None:
    """It keeps the gateway from starting; nobody who handles exchanges may swallow it."""
    assert not issubclass(PortTakenError, GatewayError)


@pytest.mark.parametrize(
    ("error", "billed"),
    [
        (UpstreamUnreachable("refused"), False),
        (UpstreamTimeout("first_byte", 1.0), True),
        (UpstreamProtocolError("ended too early"), True),
        (UpstreamFault("unknown", may_be_billed=True), True),
    ],
)
def test_what_was_sent_may_be_billed(error: UpstreamFault, billed: bool) -> None:
    """Only where no connection was made nothing was."""
    assert error.may_be_billed is billed


def test_whether_it_may_be_billed_must_be_said() -> None:
    """There is no default for money."""
    with pytest.raises(TypeError):
        UpstreamFault("unknown")  # type: ignore[call-arg]


@pytest.mark.parametrize(("seconds", "text"), [(120.0, "120"), (0.3, "0.3"), (1e-07, "1e-07")])
def test_a_timeout_says_which_and_how_long(seconds: float, text: str) -> None:
    """As people write numbers."""
    error = UpstreamTimeout("idle", seconds)
    assert str(error) == f"upstream idle timeout after {text} s"
    assert (error.phase, error.seconds) == ("idle", seconds)
