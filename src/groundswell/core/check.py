"""Checks: probes that prove a line of the roadmap and return a Proof (architecture §8)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from groundswell.core.records.base import Record


class Proof(Record):
    """What a check measured; only `pass` counts."""

    status: Literal["pass", "fail", "unknown", "skip"]
    message: str
    measured: dict[str, Any] = {}


def proved(message: str, **measured: Any) -> Proof:
    """It holds, by these figures."""
    return Proof(status="pass", message=message, measured=measured)


def failed(message: str, **measured: Any) -> Proof:
    """It does not hold."""
    return Proof(status="fail", message=message, measured=measured)


def skipped(reason: str) -> Proof:
    """It cannot be tried here, which is never a pass."""
    return Proof(status="skip", message=reason)


@dataclass(frozen=True)
class Check:
    """A probe and the line it proves."""

    name: str
    description: str
    proves: str
    function: Callable[[Any], Awaitable[Proof]]


def check(*, proves: str) -> Callable[[Callable[[Any], Awaitable[Proof]]], Check]:
    """Make a check of an async function of the platform's client."""

    def make(function: Callable[[Any], Awaitable[Proof]]) -> Check:
        return Check(function.__name__, (function.__doc__ or "").strip(), proves, function)

    return make
