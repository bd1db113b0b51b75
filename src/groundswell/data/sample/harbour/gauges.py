"""Measurements of a tide gauge: when the water stood how high."""

import csv
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from .retry import retrying


@dataclass(frozen=True)
class Measurement:
    """One reading."""

    at: datetime
    metres: float


def read_gauge(file: Path) -> list[Measurement]:
    """All readings of a CSV file with the columns `at` and `metres`, oldest first."""
    return sorted(retrying(lambda: _parse(file)), key=lambda reading: reading.at)


def _parse(file: Path) -> list[Measurement]:
    with file.open(newline="") as stream:
        return [Measurement(datetime.fromisoformat(row["at"]), float(row["metres"])) for row in csv.DictReader(stream)]
