"""A scripted vendor: an HTTP server that speaks every vendor's format and does exactly what it is told.

In reading order: ``script`` (what can be asked for), ``asked`` (what a request says), ``parts`` and ``formats`` (the
answers), ``coding``, ``plan`` (bytes and their moments), ``wire`` and ``connection`` (HTTP), ``served`` (the log),
``server``.
"""

from sluice.dev.vendor.script import HEADER, Script, ScriptError
from sluice.dev.vendor.served import SeenRequest, Served, read_served
from sluice.dev.vendor.server import MockVendor

__all__ = ["HEADER", "MockVendor", "Script", "ScriptError", "SeenRequest", "Served", "read_served"]
