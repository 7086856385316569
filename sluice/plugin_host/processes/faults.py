"""What can go wrong with a plugin in a process of its own, in words for operators.

RemoteFault
├── NotRunning     there is no connection now: it is being started, or again, or was shut down
├── CallFailed     it did not answer, or what it answered cannot be used
└── Refused        it said no to its configuration
"""

from __future__ import annotations


class RemoteFault(Exception):  # noqa: N818 - a family of faults
    """A call of a plugin in another process that came to nothing."""


class NotRunning(RemoteFault):
    """No process, or no connection to it; the message says why and what is being done."""


class CallFailed(RemoteFault):
    """The process died in mid-call, the connection broke, or the plugin answered an error or nonsense."""


class Refused(RemoteFault):
    """``Initialize`` came back without success; the message is the plugin's own."""
