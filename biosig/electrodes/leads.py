"""The thirteen channels that CSFM knows, and which of them a channel is (arXiv:2507.01045; wearables: its README)."""

from __future__ import annotations

from collections.abc import Sequence

from biosig.electrodes.tables import INDEX, VOCABULARY
from biosig.recording import Channel

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6", "ppg")
"""In the order of the learned vectors."""

_STAND_FOR = {"MLI": "I", "MLII": "II", "MLIII": "III", **{f"MCL{n}": f"V{n}" for n in range(1, 7)}}
"""Monitoring leads, and the lead that each was made to resemble."""


def lead_of_channel() -> list[int]:
    """For each entry of `VOCABULARY` the index in `LEADS`, −1 where it is none of them."""
    return [_index(kind, name) for kind, name in VOCABULARY]


def _index(kind: str, name: str) -> int:
    name = "ppg" if kind == "ppg" else _STAND_FOR.get(name, name)
    return LEADS.index(name) if kind in ("ecg", "ppg") and name in LEADS else -1


def as_leads(channels: Sequence[Channel]) -> list[int]:
    """Vocabulary ids of the channels of one kind as CSFM takes them, −1 for one that is none of the twelve leads.

    A wearable's only ECG channel is lead II, whatever its name.
    """
    ids = [INDEX.get((c.kind, "finger" if c.kind == "ppg" else c.name), -1) for c in channels]
    ids = [i if i >= 0 and _index(*VOCABULARY[i]) >= 0 else -1 for i in ids]
    return [INDEX["ecg", "II"]] if ids == [-1] else ids
