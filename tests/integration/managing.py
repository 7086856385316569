"""A gateway that is managed over REST: from an empty database, by the token of its first start."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from gateway.control.bootstrap import TOKEN_FILE
from tests.integration.stack import Stack


async def run(script: str, url: str, token: str) -> list[Any]:
    """What each ``curl`` of a shell script is answered; a body without a type is sent as a form, as by it."""
    answers = []
    async with httpx.AsyncClient(timeout=30) as client:
        for command in re.split(r"^curl ", script, flags=re.MULTILINE)[1:]:
            words = shlex.split(command.replace("http://localhost:3000", url).replace("$TOKEN", token))
            headers = {"content-type": "application/x-www-form-urlencoded"}
            headers |= dict(words[at + 1].split(": ", 1) for at, word in enumerate(words) if word == "-H")
            target = next(word for word in words if word.startswith("http"))
            body = words[words.index("-d") + 1]
            answer = await client.request(words[words.index("-X") + 1], target, headers=headers, content=body)
            assert answer.is_success, f"{target}: {answer.status_code} {answer.text}"
            answers.append(answer.json())
    return answers


def manager_of(stack: Stack) -> httpx.AsyncClient:
    """Somebody with the first admin token."""
    token = (stack.folder / "data" / TOKEN_FILE).read_text().strip()
    headers = {"authorization": f"Bearer {token}"}
    return httpx.AsyncClient(base_url=f"{stack.url}/api/v1", headers=headers, timeout=30)


def bare(
    folder: Path,
    name: str,
    *,
    workers: int = 2,
    settings: Mapping[str, Any] | None = None,
    entries: Sequence[Mapping[str, Any]] = (),
) -> Stack:
    """Nothing is configured; LLMs may be at the loopback address, and events are read where the collector writes."""
    nothing: dict[str, Any] = {key: [] for key in ("plugins", "llms", "apps", "tokens", "prices")}
    events = {"database_url": f"sqlite:///{folder / 'events.db'}"}
    control = {"allow_private_endpoints": True, "events": events}
    return Stack(
        folder, name, workers=workers, settings={**nothing, "control": control, **(settings or {})}, entries=entries
    )


async def made(manager: httpx.AsyncClient, path: str, **values: Any) -> Any:
    """What was created."""
    answer = await manager.post(path, json=values)
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]


async def changed(manager: httpx.AsyncClient, path: str, **values: Any) -> Any:
    """What was changed, as it is now."""
    answer = await manager.put(path, json=values)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]
