"""Copies of ECGs with their leads mixed, as of other hearts and electrodes: a source of recordings of their own.

Unlike the augmentation `lead_mix`, a copy is a recording: targets are measured of it anew.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biosig.batches.mapped_recordings import COPY, MappedRecording, MappedRecordings
from biosig.batches.windows import ReadableRecording, RecordingSet
from biosig.errors import DataError, UsageError
from biosig.features.window import window_of
from biosig.pretrain.augment.changes import LEADS
from biosig.pretrain.augment.lead_mix import draw_lead_map
from biosig.recording import Recording, Stream
from biosig.signal import is_flat, unit_factor

logger = logging.getLogger(__name__)

_LOOKED_AT = 60.0
"""Seconds of a recording by which its amplitudes are checked."""


class LeadCopies(MappedRecordings):
    """Copies of recordings in place of the recordings, each with leads mixed by its content and the copy's number.

    Person, labels and content hash are those of the recording; `to_pandas` has the number in the column "copy".

    Parameters
    ----------
    ds : RecordingSet
        Those with twelve leads whose amplitudes can be believed are copied; how many others are left out is logged.
    n_copies : int
        Of each recording.

    Raises
    ------
    UsageError
        If none can be copied.
    """

    def __init__(self, ds: RecordingSet, n_copies: int) -> None:
        super().__init__(ds)
        self._n_copies = n_copies
        self._rows = np.array([row for row in range(len(ds)) if can_be_mixed(ds[row])], np.int64)
        if not len(self._rows):
            raise UsageError(
                f"None of {len(ds)} recordings has the twelve leads {', '.join(LEADS)} in mV, with amplitudes that can "
                "be believed: leave copies out of this source."
            )
        if len(self._rows) < len(ds):
            logger.warning(
                "%d of %d recordings are not copied: they lack one of twelve leads, or amplitudes to be believed.",
                len(ds) - len(self._rows),
                len(ds),
            )

    def __len__(self) -> int:
        return len(self._rows) * self._n_copies

    def __getitem__(self, row: int) -> ReadableRecording:
        if not 0 <= row < len(self):
            raise IndexError(f"recording {row} of {len(self)}")
        within = int(self._rows[row // self._n_copies])
        return MappedRecording(self.ds[within], within, LeadMixture(row % self._n_copies))

    @property
    def annotations(self) -> pd.DataFrame:
        """The recordings' annotations, for each of the copies."""
        rows = self.rows_within(np.arange(len(self)))
        numbers = pd.DataFrame({"row": np.arange(len(self)), "recording": rows})
        table = numbers.merge(self.ds.annotations, on="recording")
        return table.drop(columns="recording").rename(columns={"row": "recording"})

    def to_pandas(self) -> pd.DataFrame:
        """One row per copy."""
        rows = self.rows_within(np.arange(len(self)))
        numbers = np.arange(len(self)) % self._n_copies
        return self.ds.to_pandas().iloc[rows].assign(**{COPY: numbers.astype(str)}).reset_index(drop=True)

    def rows_within(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows of the recordings that some copies (B,) are of."""
        return self._rows[rows // self._n_copies]


def can_be_mixed(recording: ReadableRecording) -> bool:
    """True for a recording of twelve leads at one rate that all move and whose amplitudes nothing contradicts."""
    if not {channel.name for channel in recording.channels if channel.kind == "ecg"} >= set(LEADS):
        return False
    window = window_of(recording.read(0.0, _LOOKED_AT), "ecg")
    if window is None or not window.amplitude or not set(window.ch_names) >= set(LEADS):
        return False
    return not is_flat(window.x[[window.ch_names.index(name) for name in LEADS]]).any()


class LeadMixture:
    """An `Alteration`: the twelve leads mixed by a map that is drawn from the content hash and the copy's number.

    Parameters
    ----------
    number : int
        Of the copy.
    """

    def __init__(self, number: int) -> None:
        self.number = number

    def lead_map(self, recording: ReadableRecording) -> NDArray[np.float64]:
        """The matrix (12, 12) that mixes the leads of a recording."""
        text = f"{recording.content_hash or recording.id} lead mixture {self.number}"
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
        return draw_lead_map(np.random.default_rng(seed))

    def __call__(self, part: Recording, whole: ReadableRecording, row: int) -> Recording:  # noqa: ARG002
        """The part, its leads mixed; its robust scale is that of no recording any more, and left out."""
        lead_map = self.lead_map(whole)
        streams = [self._mixed(stream, lead_map) for stream in part.streams]
        scale = {kind: value for kind, value in part.robust_scale.items() if kind != "ecg"}
        if all(one is other for one, other in zip(streams, part.streams, strict=True)) and part.streams:
            raise DataError(
                f"Recording '{part.id}' has its twelve leads at several sampling rates there: leave it out of the "
                "source of copies with a query."
            )
        return replace(part, streams=streams, robust_scale=scale)

    @staticmethod
    def _mixed(stream: Stream, lead_map: NDArray[np.float64]) -> Stream:
        place: dict[str, int] = {}
        for row, channel in enumerate(stream.channels):
            if channel.kind == "ecg":
                place.setdefault(channel.name, row)
        if not place.keys() >= set(LEADS):
            return stream
        rows = [place[name] for name in LEADS]
        factor = np.array([unit_factor(stream.channels[row].unit, "mV") for row in rows])
        values = stream.physical()
        leads = values[rows]  # (12, T)
        real = np.isfinite(leads)
        ways = (lead_map * factor / factor[:, None]).astype(np.float32)
        mixed = ways @ np.where(real, leads, np.float32(0))
        lacking = (ways != 0).astype(np.float32) @ (~real).astype(
            np.float32
        ) > 0  # a lead that it is made of is not real
        values[rows] = np.where(lacking, np.float32(np.nan), mixed)
        one = np.ones(stream.n_chans)
        return replace(stream, samples=values, scale=one, offset=0 * one, invalid=np.empty((0, 3), np.int64))
