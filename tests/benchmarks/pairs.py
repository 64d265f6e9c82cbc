"""Time two things in turn and compare pair by pair, so that a drifting machine cancels out."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    """Medians in seconds, and the median, least and greatest ratio of a pair."""

    ours: float
    theirs: float
    ratio: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.ours * 1e3:10.3f} ms {self.theirs * 1e3:10.3f} ms   {self.ratio:6.3f}  ({self.low:.3f} to {self.high:.3f})"


def seconds(call: Callable[[], object], repeat: int) -> float:
    """The time of one call, averaged over `repeat` calls."""
    start = time.perf_counter()
    for _ in range(repeat):
        call()
    return (time.perf_counter() - start) / repeat


def compare(ours: Callable[[], object], theirs: Callable[[], object], *, rounds: int = 15, repeat: int = 1) -> Pair:
    """A B A B …, after one round that is not counted."""
    seconds(ours, repeat), seconds(theirs, repeat)
    times = [(seconds(ours, repeat), seconds(theirs, repeat)) for _ in range(rounds)]
    ratios = [a / b for a, b in times]
    return Pair(
        statistics.median(a for a, _ in times),
        statistics.median(b for _, b in times),
        statistics.median(ratios),
        min(ratios),
        max(ratios),
    )
