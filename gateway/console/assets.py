"""The console's files: read and packed when a browser first asks, under an address that changes when any of them does.

``/console/static/<version>/<path>`` may be kept for ever, because another version has another address. The page itself,
which names the version, is asked for each time. A worker whose console nobody opens reads none of them.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

STATIC = Path(__file__).parent / "static"
PAGE = "index.html"
_PLACEHOLDER = b"{{version}}"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Whatever else lies in the folder (licences, notes) is not served."""
FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file."""

    content: bytes
    packed: bytes
    """The same, by gzip."""
    media_type: str


class Assets:
    """All of them, by their paths below the folder: read and packed when this is made."""

    def __init__(self, folder: Path = STATIC) -> None:
        paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        files = {name: path.read_bytes() for name, path in paths.items() if path.suffix in _TYPES}
        digest = hashlib.sha256()
        for name, content in files.items():
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        self.version = digest.hexdigest()[:16]
        """Changes when any file does."""
        self.page = _asset(PAGE, files.pop(PAGE).replace(_PLACEHOLDER, self.version.encode()))
        """The one page, with the version put in."""
        self._files = {name: _asset(name, content) for name, content in files.items()}

    def names(self) -> list[str]:
        """Of everything but the page."""
        return list(self._files)

    def find(self, name: str) -> Asset | None:
        """A file by its path; ``None`` where there is none."""
        return self._files.get(name)


def _asset(name: str, content: bytes) -> Asset:
    return Asset(content, gzip.compress(content, mtime=0), _TYPES[Path(name).suffix])
