"""Features of the stretch in view, with unit and formula."""

from __future__ import annotations

from typing import Any

from biosig.recording import Recording


def measured(recording: Recording, onset: float, duration: float) -> dict[str, Any]:
    """Every feature of a stretch that has a value.

    Parameters
    ----------
    recording : Recording
    onset, duration : float
        Seconds.

    Returns
    -------
    dict
        `features`: name, value, unit and formula; `notes`: what was left out and why.
    """
    from biosig.features import columns, extract
    from biosig.features.registry import KINDS

    kinds = [kind for kind in recording.kinds if kind in KINDS]
    if not kinds:
        return {"features": [], "notes": ["Features are measured of ECG, PPG and EEG."]}
    row = extract(recording.crop(onset, duration), kinds)
    known = {f"{kind}.{column.name}": column for kind in kinds for column in columns(kind)}
    found = []
    for name, value in row.items():
        column = known[str(name).partition("[")[0]]
        if value == value:
            found.append({"name": name, "value": value, "unit": column.unit, "formula": column.formula})
    return {"features": found, "notes": list(row.attrs["notes"]), "n_absent": int(row.isna().sum())}
