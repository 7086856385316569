"""What the pass over all groups told, of which those to show are chosen: no store is asked for it again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sluice.eventstore.panels.cells import Cell, Key, Pass
from sluice.eventstore.panels.tally import Meter, Tally


def told_numbers(meters: Sequence[Meter], *, is_timed: bool) -> list[int]:
    """The measures to ask of all groups at once: those whose totals follow from the groups'; where the first, by which
    groups are ranked, is none of them, all or that one alone."""
    if meters[0].is_additive:
        return [number for number, meter in enumerate(meters) if meter.is_additive]
    if is_timed or any(meter.is_money for meter in meters):
        return [0]
    return list(range(len(meters)))


@dataclass(frozen=True, slots=True)
class Told:
    """The cells of all groups, and the numbers of the measures that they are of."""

    asked: Pass
    numbers: Sequence[int]
    cells: Sequence[Cell]

    def ranking(self, meters: Sequence[Meter]) -> Tally:
        """The whole of each group, by the measure that ranks them: the first."""
        tally, whole = Tally(meters[:1]), replace(self.asked, buckets=None)
        for cell in self.cells:
            tally.add(cell, whole, (0,))
        return tally

    def add_to(self, tally: Tally, chosen: frozenset[Key]) -> None:
        """The chosen groups as they are, all others as "other"; of what cannot be added up the chosen groups alone."""
        size = len(self.asked.split_by)
        known = [at for at, number in enumerate(self.numbers) if tally.meters[number].is_additive]
        known_of_other = [self.numbers[at] for at in known]
        for cell in self.cells:
            if cell.key[:size] in chosen:
                tally.add(cell, self.asked, self.numbers)
            else:
                other = Cell(cell.key[size:], cell.bucket, True, tuple(cell.parts[at] for at in known))
                tally.add(other, self.asked, known_of_other)

    def still_wanted(
        self, passes: Sequence[tuple[Pass, list[int]]], meters: Sequence[Meter]
    ) -> Iterator[tuple[Pass, list[int]]]:
        """What of these passes it did not tell."""
        for asked, numbers in passes:
            left = [number for number in numbers if number not in self.numbers or not meters[number].is_additive]
            has_shown = asked.split_by == self.asked.split_by and set(left) <= set(self.numbers)
            if left and not (has_shown and not asked.with_other):
                measures = tuple(meters[number].measure for number in left)
                yield replace(asked, measures=measures, with_shown=not has_shown), left
