"""Where a vendor's key is: written down, in the environment (``env:NAME``), or in a file (``file:/path``)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from sluice.settings import environment

_ENVIRONMENT, _FILE = "env:", "file:"
_MAX_FILE_BYTES = 64 << 10
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


class VendorKeyError(Exception):
    """A key that cannot be had; the message says where it was looked for, and nothing of the key."""


class VendorKeys:
    """Finds keys. Relative paths begin in ``folder``, the one of the settings file."""

    def __init__(self, folder: Path = Path(), variables: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._variables = environment() if variables is None else variables

    def find(self, key: str) -> str:
        """The key itself; raises VendorKeyError."""
        if key.startswith(_ENVIRONMENT):
            found = self._of_environment(key.removeprefix(_ENVIRONMENT))
        elif key.startswith(_FILE):
            found = self._of_file(self._folder / key.removeprefix(_FILE))
        else:
            found = key
        if found[:1] == "{":
            found = _one_line(found)
        if _CONTROLS.search(found):
            message = "its key has a control character, which no header takes; write the key alone"
            raise VendorKeyError(message)
        return found

    def _of_environment(self, name: str) -> str:
        found = self._variables.get(name, "")
        if not found:
            message = f"its key is not there: environment variable {name} is not set; set it and restart"
            raise VendorKeyError(message)
        return found.strip()

    def _of_file(self, path: Path) -> str:
        try:
            with path.open("rb") as file:
                found = file.read(_MAX_FILE_BYTES).decode("utf-8").strip()
        except (OSError, ValueError) as error:  # a path with a null character, and what is no UTF-8, are ValueErrors
            message = f"its key is not there: {path} cannot be read ({type(error).__name__}); write it there"
            raise VendorKeyError(message) from error
        if not found:
            message = f"its key is not there: {path} is empty; write it there"
            raise VendorKeyError(message)
        return found


def _one_line(key: str) -> str:
    """A key that is JSON, such as a service account's, as its vendor's dialect gets it: without line breaks."""
    try:
        return json.dumps(json.loads(key))
    except ValueError:
        return key
