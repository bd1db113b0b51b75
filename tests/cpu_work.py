"""Functions that worker processes of a test can import."""

import time


def slow(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def fails() -> None:
    raise ValueError("as it should")
