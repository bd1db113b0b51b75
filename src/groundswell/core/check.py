"""Checks: probes that prove a line of the roadmap and return a Proof (architecture §8)."""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from groundswell.core.records.evidence import Excerpt
from groundswell.core.records.waves import Figure, Measure, Profile, Proof, Relation

Drill = Callable[[], Awaitable[str]]  # breaks one thing, waits until the platform is back, and says what it did


@dataclass(frozen=True)
class Place:
    """Where a check runs: its profile, what agents are tried on, and what may be broken here when somebody asks."""

    profile: Profile
    material: Mapping[str, str] = field(default_factory=dict[str, str])
    drills: Mapping[str, Drill] = field(default_factory=dict[str, Drill])
    wave: int | None = None  # where a gate asks: its wave; what comes later does not stand yet


def measure(
    name: str, value: Figure | None, threshold: Figure | None = None, *, relation: Relation = "==", unit: str = ""
) -> Measure:
    """A figure, and what it is held against."""
    return Measure(name=name, value=value, relation=relation, threshold=threshold, unit=unit)


def judged(message: str, *measures: Measure, seen: Iterable[Excerpt] = (), simulated: bool = False) -> Proof:
    """What the figures come to: a pass where all of them hold, and there are any."""
    proof = Proof(
        status="pass", message=message, measures=measures, excerpts=tuple(seen)[:EXCERPTS], simulated=simulated
    )
    return proof.model_copy(update={"status": proof.judged()})


def proved(message: str, **figures: Figure) -> Proof:
    """It holds, by these figures."""
    return judged(message, *(measure(name, value) for name, value in figures.items()))


def failed(message: str, *measures: Measure, seen: Iterable[Excerpt] = ()) -> Proof:
    """It does not hold."""
    return Proof(status="fail", message=message, measures=measures, excerpts=tuple(seen)[:EXCERPTS])


def unknown(message: str) -> Proof:
    """Nobody can say."""
    return Proof(status="unknown", message=message)


def skipped(reason: str) -> Proof:
    """It cannot be tried here, which is never a pass."""
    return Proof(status="skip", message=reason)


def seen(source: str, text: str) -> Excerpt:
    """Something that was seen, as short as it can be."""
    return Excerpt(source=source, text=text[:LONGEST], truncated=len(text) > LONGEST)


EXCERPTS, LONGEST = 12, 600


@dataclass(frozen=True)
class Check:
    """A probe and the lines it proves."""

    name: str
    description: str
    proves: tuple[str, ...]
    function: Callable[[Any, Place], Awaitable[Proof]]
    needs: tuple[str, ...] = ()  # parts of the profile without which there is nothing to look at
    hours: float = 24.0  # how long its proof counts
    seconds: float = 120.0  # how long it may take
    drill: bool = False  # it breaks something, and runs only when asked
    undo: Callable[[Any, Place], Awaitable[None]] | None = None


def check(
    *,
    proves: str | tuple[str, ...],
    needs: tuple[str, ...] = (),
    hours: float = 24.0,
    seconds: float = 120.0,
    drill: bool = False,
    undo: Callable[[Any, Place], Awaitable[None]] | None = None,
) -> Callable[[Callable[..., Awaitable[Proof]]], Check]:
    """Make a check of an async function of the platform's client and, if it wants one, the place."""
    if drill and undo is None:
        raise TypeError("what breaks something says how to undo it")

    def make(function: Callable[..., Awaitable[Proof]]) -> Check:
        wants_place = len(inspect.signature(function).parameters) > 1

        async def run(platform: Any, place: Place) -> Proof:
            return await (function(platform, place) if wants_place else function(platform))

        return Check(
            name=function.__name__,
            description=inspect.getdoc(function) or "",
            proves=(proves,) if isinstance(proves, str) else proves,
            function=run,
            needs=needs,
            hours=hours,
            seconds=seconds,
            drill=drill,
            undo=undo,
        )

    return make
