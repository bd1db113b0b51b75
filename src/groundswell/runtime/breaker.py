"""A breaker: what has failed again and again is left alone for a while, then tried once."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from groundswell.core.errors import Unavailable


@dataclass
class Breaker:
    """Opens after `failures` in a row for `seconds`; then lets one call through."""

    name: str
    failures: int = 5
    seconds: float = 15.0
    clock: Callable[[], float] = time.monotonic
    in_a_row: int = 0
    open_until: float = 0.0

    @property
    def left(self) -> float:
        """For how many seconds it stays open; to look takes nobody's turn to try."""
        return max(0.0, self.open_until - self.clock())

    def check(self) -> None:
        """Raises Unavailable while it is open."""
        if self.left:
            message = f"{self.name} failed {self.in_a_row} times in a row and rests for {self.left:.0f} s"
            raise Unavailable("breaker_open", message, "groundswell doctor says what is wrong with it")
        if self.in_a_row >= self.failures:
            self.open_until = self.clock() + self.seconds  # one call tries; the others rest on

    def succeeded(self) -> None:
        """It answered."""
        self.in_a_row = 0

    def failed(self) -> None:
        """What it needs did not answer."""
        self.in_a_row += 1
        if self.in_a_row >= self.failures:
            self.open_until = self.clock() + self.seconds
