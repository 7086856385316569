"""What apps and LLMs are called now, for figures that know their numbers only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.snapshot import Snapshot


class Names:
    """Of the present snapshot: nothing is asked for, however many there are."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def app(self, app_id: int) -> str:
        """An app's; its number where it is gone."""
        found = self._snapshot().apps.get(app_id)
        return f"app {app_id}" if found is None else found.name

    def llm(self, llm_id: int) -> str:
        """An LLM's slug, which is what exchanges name; its number where it is gone or not active."""
        found = self._snapshot().llms_by_id.get(llm_id)
        return f"LLM {llm_id}" if found is None else found.slug

    def of(self, field: str, values: Iterable[object]) -> Mapping[str, str]:
        """The names of a field's values; nothing for fields whose values speak for themselves."""
        name = {"app_id": self.app, "llm_id": self.llm}.get(field)
        return {} if name is None else {str(each): name(each) for each in values if isinstance(each, int)}

    def matching(self, field: str, text: str, limit: int) -> list[tuple[int, str]] | None:
        """Numbers and names in which a text stands; ``None`` for fields without names."""
        snapshot, wanted = self._snapshot(), text.casefold()
        if field == "app_id":
            known: Iterable[tuple[int, str]] = ((app.id, app.name) for app in snapshot.apps.values())
        elif field == "llm_id":
            known = ((llm.id, llm.slug) for llm in snapshot.llms_by_id.values())
        else:
            return None
        return sorted(islice((each for each in known if wanted in each[1].casefold()), limit), key=lambda each: each[1])
