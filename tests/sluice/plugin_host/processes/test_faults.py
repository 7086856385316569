"""Faults are one family, so that whoever keeps a plugin alive can catch all of them."""

from __future__ import annotations

from sluice.plugin_host.processes.faults import CallFailed, NotRunning, Refused, RemoteFault


def test_all_faults_are_of_one_family() -> None:
    """One more would be caught too."""
    assert {NotRunning, CallFailed, Refused} == set(RemoteFault.__subclasses__())
