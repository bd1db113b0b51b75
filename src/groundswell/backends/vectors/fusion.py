"""Reciprocal rank fusion, the same for every backend.

Only hits above zero take part: a list of ties at zero would hand out ranks for nothing. Equal scores share a rank, so
the result does not depend on how an engine orders ties, nor on the last bit of its arithmetic.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

Id = TypeVar("Id", bound=Hashable)

K = 60
DEPTH = 100  # hits of each list that take part, at least
DIGITS = 6  # of a score that count


def depth(limit: int) -> int:
    """How many hits of each list to fuse for so many results."""
    return max(DEPTH, 4 * limit)


def fuse(lists: Iterable[Sequence[tuple[Id, float]]], limit: int) -> list[tuple[Id, float]]:
    """The best of some lists of (id, score), each best first."""
    total: dict[Id, float] = {}
    for hits in lists:
        rank, last = 0, None
        for place, (id_, exact) in enumerate(hits, start=1):
            score = round(exact, DIGITS)
            if score <= 0:
                break
            if score != last:
                rank, last = place, score
            total[id_] = total.get(id_, 0.0) + 1 / (K + rank)
    return sorted(total.items(), key=lambda hit: -hit[1])[:limit]
