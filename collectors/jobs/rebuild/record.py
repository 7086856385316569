"""What a rebuild must not forget when it is killed: ``rebuild.json`` in the job's folder, replaced whole and synced."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from collectors.jobs.interface import UsageError

RECORD = "rebuild.json"


@dataclass(slots=True)
class Record:
    """Of one job; call ``load`` first."""

    folder: Path
    token: str = ""
    """What tells this job from another of the same name elsewhere."""
    blocked: list[str] = field(default_factory=list)
    """Indices that this job made read-only, or is about to."""
    kept: dict[str, str] = field(default_factory=dict)
    """Rebuilt index → what it took the place of, by the name it has now."""

    def load(self) -> None:
        """What was saved, or a new one. UsageError where it is damaged."""
        path = self.folder / RECORD
        if not path.exists():
            self.token = secrets.token_hex(16)
            self.save()
            return
        try:
            facts = orjson.loads(path.read_bytes())
            self.token, self.blocked, self.kept = str(facts["token"]), list(facts["blocked"]), dict(facts["kept"])
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path} is damaged; begin the job anew under another name") from error

    def save(self) -> None:
        """On disk when this returns."""
        path = self.folder / RECORD
        temporary = path.with_name(RECORD + ".tmp")
        with temporary.open("wb") as file:
            file.write(orjson.dumps({"token": self.token, "blocked": self.blocked, "kept": self.kept}))
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
