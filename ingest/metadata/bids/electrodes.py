"""Electrodes that a BIDS set measured, from its coordinate system to the head frame; unknown systems are not used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.recording import Position
from ingest.metadata.bids.files import BidsFile, read_json
from ingest.metadata.labels.typed_table import TypedTable

_METRES = {"m": 1.0, "cm": 1e-2, "mm": 1e-3}

_HEAD = ("captrak", "elektaneuromag", "neuromagelektamegin")
"""Systems whose axes are ours: x through the ears to the right, y through the nasion, z up."""

_ALS = ("ctf", "eeglab", "4dbti")
"""Systems with x through the nasion and y to the left, their origin between the ears."""

_RADIUS = (0.05, 0.2)
"""Metres from the origin at which half of a head's electrodes must lie."""


def electrodes(file: BidsFile) -> tuple[dict[str, Position], list[str]]:
    """Measured positions of electrodes, in metres in the head frame.

    The set may hold several files, one per coordinate system: the first that can be brought to the head frame counts.
    That is where the nasion and the ears are given in the same system, whatever it is, or where its axes are known.

    Returns
    -------
    positions : dict
        By the electrodes' names in lower case; empty where there are none.
    notes : list of str
        Reasons for which positions of the set are not used.
    """
    reasons: list[str] = []
    for path in file.sidecars("_electrodes.tsv"):
        places, reason = _in_head(path, _system_of(path, file))
        if places:
            return places, []
        reasons.append(reason)
    return {}, [f"The set's electrode positions are not used, {reason}." for reason in dict.fromkeys(reasons)]


def _system_of(path: Path, file: BidsFile) -> Mapping[str, Any]:
    """The coordinate system that goes with an electrodes' file: the one of the same name, else the nearest."""
    own = path.with_name(path.name.replace("_electrodes.tsv", "_coordsystem.json"))
    if own.is_file():
        return read_json(own)
    nearest = [other for other in file.sidecars("_coordsystem.json") if "space-" not in other.name]
    return read_json(nearest[0]) if nearest else {}


def _in_head(path: Path, system: Mapping[str, Any]) -> tuple[dict[str, Position], str]:
    prefix = "iEEG" if "iEEGCoordinateSystem" in system else "EEG"
    name = str(system.get(f"{prefix}CoordinateSystem", "")) or "of no stated system"
    unit = _METRES.get(str(system.get(f"{prefix}CoordinateUnits", "")))
    if unit is None:
        return {}, "as their unit of length is not stated"
    cells = TypedTable(path, may_be_empty=True)
    cells.require(("name", "x", "y", "z"))
    known: dict[str, NDArray[np.float64]] = {}
    for row in range(len(cells)):
        place = [cells.value(row, axis, "number") for axis in "xyz"]
        if None not in place:
            known[cells.text(row, "name").casefold()] = np.array(place, np.float64) * unit
    if not known:
        return {}, "as none is given"
    points = np.array(list(known.values()))
    landmarks = _landmarks(system, prefix, unit)
    if landmarks is not None:
        points = _to_head(points, *landmarks)
    elif name.lower() in _ALS:
        points = np.column_stack((-points[:, 1], points[:, 0], points[:, 2]))
    elif name.lower() not in _HEAD:
        return {}, f"as no way is known from their coordinate system ({name}) to the head frame"
    if not (_RADIUS[0] < np.median(np.linalg.norm(points, axis=1)) < _RADIUS[1] and np.median(points[:, 2]) > 0):
        return {}, "as they do not lie on a head: check the unit and the coordinate system that the set states"
    return {name: (float(x), float(y), float(z)) for name, (x, y, z) in zip(known, points, strict=True)}, ""


def _landmarks(system: Mapping[str, Any], prefix: str, unit: float) -> tuple[NDArray[np.float64], ...] | None:
    """Nasion, left and right preauricular point in metres, if the set gives them in the electrodes' system."""
    given = system.get("AnatomicalLandmarkCoordinates")
    frame = system.get("AnatomicalLandmarkCoordinateSystem", system.get(f"{prefix}CoordinateSystem"))
    if not isinstance(given, Mapping) or frame != system.get(f"{prefix}CoordinateSystem"):
        return None
    unit = _METRES.get(str(system.get("AnatomicalLandmarkCoordinateUnits", "")), unit)
    try:
        points = tuple(np.array(given[name], np.float64) * unit for name in ("NAS", "LPA", "RPA"))
    except (KeyError, TypeError, ValueError):
        return None
    if any(point.shape != (3,) or not np.isfinite(point).all() for point in points):
        return None
    nasion, left, right = points
    spread = np.linalg.norm(np.cross(right - left, nasion - left))  # of three points in one line there is no head
    return points if spread > 1e-3 else None


def _to_head(
    points: NDArray[np.float64], nasion: NDArray[np.float64], left: NDArray[np.float64], right: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Points of any right-handed system in the head frame, (n, 3) metres; MNE's `get_ras_to_neuromag_trans`."""
    x = (right - left) / np.linalg.norm(right - left)
    origin = left + np.dot(nasion - left, x) * x
    y = (nasion - origin) / np.linalg.norm(nasion - origin)
    return (points - origin) @ np.column_stack((x, y, np.cross(x, y)))
