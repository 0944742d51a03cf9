"""What a run came to, read off its log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.folder import fates
from harness.folder.line import Line
from weight_mapping.errors import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How many files had each fate, and, for each thing that is not supported, how many files it holds up."""

    fates: dict[str, int]
    held_up: dict[str, int]

    @property
    def files(self) -> int:
        return sum(self.fates.values())

    @property
    def exit_code(self) -> int:
        return fates.exit_code(self.fates)

    @property
    def sentence(self) -> str:
        """'34 ported, 2 refused', from best to worst."""
        return ", ".join(f"{count:,} {name}" for name, count in self.fates.items())


def summary(lines: Iterable[Line]) -> Summary:
    """Of these files; holds counts, never lines."""
    found: Counter[str] = Counter()
    held: Counter[str] = Counter()
    for line in lines:
        found[line.fate] += 1
        held.update(holders(line))
    ranked = sorted(found, key=lambda name: fates.RANK.get(name, 0))
    return Summary(fates={name: found[name] for name in ranked}, held_up=dict(held.most_common()))


def holders(line: Line) -> Iterator[str]:
    """What stands in the way of this file: the layers' names, or what the refusal says."""
    if line.error is not None and line.fate in (fates.REFUSED.name, fates.LAYERS_ONLY.name):
        yield from line.error["layers"] or (printable(line.error["what"], 120),)
