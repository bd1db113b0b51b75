"""Predict high water from earlier high waters."""

from datetime import datetime, timedelta

from .gauges import Measurement

LUNAR_HALF_DAY = timedelta(hours=12, minutes=25)


class NoPredictionError(Exception):
    """There are too few measurements to predict from."""


def high_waters(readings: list[Measurement]) -> list[Measurement]:
    """The readings that are higher than those before and after them."""
    neighbours = zip(readings, readings[1:], readings[2:], strict=False)
    return [middle for before, middle, after in neighbours if before.metres < middle.metres >= after.metres]


def next_high_water(readings: list[Measurement], after: datetime) -> Measurement:
    """The first high water after a moment; raises NoPredictionError where none was ever measured."""
    known = high_waters(readings)
    if not known:
        raise NoPredictionError("no high water was measured yet")
    last = known[-1]
    at = last.at
    while at <= after:
        at += LUNAR_HALF_DAY
    return Measurement(at, sum(reading.metres for reading in known) / len(known))
