"""When a ship may enter the harbour."""

from datetime import datetime, timedelta
from pathlib import Path

from .gauges import read_gauge
from .tides import next_high_water

UNDER_KEEL_METRES = 0.5
SLACK = timedelta(minutes=40)


def entry_window(gauge: Path, draught: float, now: datetime) -> tuple[datetime, datetime] | None:
    """From when to when a ship of this draught may enter, around the next high water; None: not on this tide."""
    high = next_high_water(read_gauge(gauge), now)
    if high.metres < draught + UNDER_KEEL_METRES:
        return None
    return high.at - SLACK, high.at + SLACK


def announcement(gauge: Path, draught: float, now: datetime) -> str:
    """The same as a sentence for the harbour's radio."""
    window = entry_window(gauge, draught, now)
    if window is None:
        return f"no entry for {draught:.1f} m on this tide"
    return f"entry for {draught:.1f} m from {window[0]:%H:%M} to {window[1]:%H:%M}"
