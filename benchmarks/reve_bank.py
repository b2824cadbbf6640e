"""REVE's bank of positions as rebuilt from MNE against the published one, name by name.

``--bank`` is the published ``positions.json`` ({name: [x, y, z]}, metres). The second table asks what `locate`, which
places the channels of recordings, knows of the bank: its names, and its places once they are moved to the mri frame.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from biosig.electrodes import locate
from biosig.electrodes.frames import head_to_mri
from biosig.electrodes.reve_bank import (
    BIOSEMI,
    BIOSEMI_PREFIX,
    HYDROCEL,
    SPELLINGS,
    TEN_FIVE,
    reve_names,
    reve_positions,
)

TOLERANCE = 1e-6
"""Metres."""


def family(name: str) -> str:
    """The part of the bank that a name belongs to."""
    parts = {"10-05": TEN_FIVE, "10-05, second spelling": SPELLINGS, "HydroCel": HYDROCEL, "BioSemi": BIOSEMI}
    found = (part for part, names in parts.items() if name in names)
    return "BioSemi, prefixed" if name.startswith(BIOSEMI_PREFIX) else next(found, "in no part")


def main() -> None:
    """Print both tables; exit status 1 if a name is missing, extra or further off than the tolerance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bank", type=Path, required=True, help="the published positions.json")
    published = {name: np.array(xyz) for name, xyz in json.loads(parser.parse_args().bank.read_text()).items()}
    ours = {name: reve_positions([name])[0] for name in reve_names()}  # one at a time: "A1" beside "A3" is refused
    console = Console(width=110)

    table = Table("part", "names", "missing", "extra", "off by (m)", "at most at", title="the bank")
    families = dict.fromkeys(family(name) for name in (*ours, *published))
    off = {name: float(np.abs(ours[name] - published[name]).max()) for name in ours if name in published}
    for part in (*families, "all"):
        theirs, mine = ({n for n in bank if part in (family(n), "all")} for bank in (published, ours))
        worst = max(theirs & mine, key=lambda name: off[name])
        table.add_row(
            part, str(len(theirs)), str(len(theirs - mine)), str(len(mine - theirs)), f"{off[worst]:.1e}", worst
        )
    console.print(table)

    table = Table("part", "names", "placed", "off by (m)", "not placed", title='locate(name, "eeg")')
    for part in families:
        names = [name for name in published if family(name) == part]
        found = {name: location for name in names if (location := locate(name, "eeg")) is not None}
        distance = [np.abs(head_to_mri(np.array(at.position)) - published[name]).max() for name, at in found.items()]
        lost = [name for name in names if name not in found]
        short = ", ".join(lost) if len(lost) < 12 else f"{lost[0]}, {lost[1]} … {lost[-1]}"
        table.add_row(part, str(len(names)), str(len(found)), f"{max(distance, default=np.nan):.1e}", short)
    console.print(table)

    if ours.keys() != published.keys() or max(off.values()) > TOLERANCE:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
