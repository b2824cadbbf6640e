"""The tables: where electrodes, leads and sites are, by kind and folded name, and the vocabulary of their names."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from biosig.electrodes.names import fold
from biosig.recording import UNKNOWN, Position

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Location:
    """Place of a channel of a kind: canonical `name`, `position` and `reference` in metres, NaN = unknown."""

    kind: str
    name: str
    position: Position
    reference: Position = UNKNOWN
    source: str = ""


def _rows(file: str) -> Iterator[dict[str, str]]:
    with (_HERE / file).open(newline="", encoding="utf-8") as lines:
        yield from csv.DictReader(lines)


def _point(row: Mapping[str, str], axes: tuple[str, str, str]) -> Position:
    x, y, z = (float(row[axis] or math.nan) for axis in axes)
    return x, y, z


_LOCATIONS = [
    Location(row["kind"], row["name"], _point(row, ("x", "y", "z")), _point(row, ("rx", "ry", "rz")), row["source"])
    for row in _rows("positions.csv")
]

VOCABULARY: tuple[tuple[str, str], ...] = tuple((location.kind, location.name) for location in _LOCATIONS)
"""(kind, canonical name) of every known channel; a channel's id is its index. Names are appended, never reordered."""

INDEX: Mapping[tuple[str, str], int] = {entry: i for i, entry in enumerate(VOCABULARY)}

LOCATIONS: Mapping[str, dict[str, Location]] = {kind: {} for kind in ("ecg", "ppg", "eeg")}
"""Kind → folded name or alias → Location."""

for _location in _LOCATIONS:
    LOCATIONS[_location.kind][fold(_location.name)] = _location
for _row in _rows("aliases.csv"):
    LOCATIONS[_row["kind"]][fold(_row["alias"])] = LOCATIONS[_row["kind"]][fold(_row["name"])]
