"""Try something again, a bounded number of times, with growing pauses."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
ATTEMPTS = 3
FIRST_PAUSE_SECONDS = 0.1


class GaveUpError(Exception):
    """Every attempt failed; the last failure is the cause."""


def retrying(action: Callable[[], T], attempts: int = ATTEMPTS, sleep: Callable[[float], None] = time.sleep) -> T:
    """The action's result. Pauses double after each failure; raises GaveUpError after the last one."""
    pause = FIRST_PAUSE_SECONDS
    for attempt in range(1, attempts + 1):
        try:
            return action()
        except OSError as error:
            if attempt == attempts:
                raise GaveUpError(f"failed {attempts} times") from error
            sleep(pause)
            pause *= 2
    raise ValueError("at least one attempt is needed")
