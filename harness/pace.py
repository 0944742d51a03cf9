"""How fast a long run goes, and how long it still takes, in words."""

from __future__ import annotations

import time

_SLOW = 0.2


class Pace:
    """Counts what is done of `total`. `unit`: what one is called, in the plural."""

    def __init__(self, total: int, unit: str) -> None:
        self.total, self.unit, self.started = total, unit, time.monotonic()
        self.done = self.known = 0

    def count(self, number: int = 1, *, new: bool = True) -> None:
        """So many more; not `new` if they were known from an earlier run, and so cost no time."""
        self.done += number
        self.known += 0 if new else number

    @property
    def per_second(self) -> float:
        return (self.done - self.known) / max(time.monotonic() - self.started, 1e-3)

    @property
    def rate(self) -> str:
        """'1.3 files/s', or '38 s each' where that says more."""
        slow = 0 < self.per_second < _SLOW
        return f"{1 / self.per_second:.0f} s each" if slow else f"{self.per_second:.1f} {self.unit}/s"

    @property
    def sentence(self) -> str:
        """'30 of 200 (10 from before), 1.3 files/s, 2 min 8 s left'."""
        known = f" ({self.known:,} from before)" if self.known else ""
        seconds = (self.total - self.done) / self.per_second if self.per_second else 0.0
        remaining = f", {duration(seconds)} left" if seconds > 0 else ""
        return f"{self.done:,} of {self.total:,}{known}, {self.rate}{remaining}"


def duration(seconds: float) -> str:
    """'2 min 8 s'."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
