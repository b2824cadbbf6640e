"""MNE's own objects, Raw and Epochs, as recordings: float32 values, measured positions, bad channels and spans."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.annotations import from_triggers, in_range, mark_bad_spans
from biosig.content_hash import content_hash
from biosig.electrodes import guess_kind, kind_beside_eeg
from biosig.electrodes.channels import deduplicate_names, notes_on, resolve_channel
from biosig.errors import BiosigError, UnreadableError
from biosig.lazy_samples import LazySamples
from biosig.recording import (
    BLOCK_BYTES,
    Annotation,
    Channel,
    Position,
    Recording,
    Source,
    Stream,
    Subject,
)
from biosig.signal import join_runs, runs_from_mask
from ingest.demographics import notes_on_unread

ADAPTER = "mne"

_KINDS = {"eeg": "eeg", "eog": "eog", "ecg": "ecg", "emg": "emg", "resp": "resp", "stim": "stim", "temperature": "temp"}
_VOLTS = ("eeg", "eog", "ecg", "emg", "seeg", "ecog", "dbs", "bio")
_UNITS = {"mag": "T", "ref_meg": "T", "grad": "T/m", "temperature": "degC"}
_NOT_EEG = re.compile(r"E[OCK]G|EMG", re.I)
_CUT = re.compile(r"(EDGE |BAD )?boundary|New Segment/.*", re.I)
"""Marks of MNE, EEGLAB and BrainVision between samples that do not follow each other in time."""
_CUTS_NAMED = 3
_HEAD_FRAME = 4  # FIFFV_COORD_HEAD
_HEAD_RADII = (0.03, 0.3)
"""Metres between the head's centre and an electrode: outside, a montage is not in the unit that it states."""


class RawSamples(LazySamples):
    """The samples of an ``mne.io.BaseRaw``, float32 in MNE's SI units, read when they are asked for."""

    def __init__(self, raw: Any) -> None:
        super().__init__((len(raw.ch_names), int(raw.n_times)), np.float32)
        self._raw = raw
        self.largest: float | None = None
        """The largest size of a number in it, once `_examine` has looked at all of them."""

    @property
    def reach(self) -> float | None:
        """See `LazySamples`."""
        return self.largest

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Samples `start` to `stop` of every channel, shape (C, stop − start)."""
        return _rounded(self.read_exact(start, stop))

    def read_exact(self, start: int, stop: int) -> NDArray[np.float64]:
        """The same before they are rounded."""
        if start == stop:  # which MNE refuses
            return np.empty((self.shape[0], 0))
        try:
            with np.errstate(all="ignore"):  # a damaged gain; samples that are not finite are invalid
                values: NDArray[np.float64] = self._raw.get_data(start=start, stop=stop, verbose="error")
        except BiosigError:
            raise
        except Exception as error:  # MNE's readers raise almost anything on damaged files
            name = next((str(name) for name in self._raw.filenames if name), "the MNE object")
            raise UnreadableError(
                f"Samples {start} to {stop} of {name} cannot be read ({one_line(error)}): fetch or export it again."
            ) from None
        return values


class _ArraySamples(RawSamples):
    """Float64 values in memory, to be treated like those of a Raw."""

    def __init__(self, values: NDArray[np.float64]) -> None:
        LazySamples.__init__(self, (values.shape[0], values.shape[1]), np.float32)
        self._values, self.largest = values, None

    def read_exact(self, start: int, stop: int) -> NDArray[np.float64]:
        return self._values[:, start:stop]


def from_raw(raw: Any, lazy: bool = False) -> Recording:
    """Turn an ``mne.io.BaseRaw`` into a Recording: one stream, float32, EEG in uV, bad channels invalid.

    Positions count as measured where `raw` has digitised points. Annotations are seconds from the first sample; where
    there are none, the values of stimulus channels become some.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        With or without preloaded data.
    lazy : bool
        Leave the samples in the file of `raw`, which must not be changed afterwards.
    """
    first = raw.first_time  # MNE counts onsets from the measurement's start, of which `raw` may be a crop
    marks = raw.annotations
    events, about = [], {}
    for onset, duration, label, names in zip(
        marks.onset, marks.duration, marks.description, marks.ch_names, strict=True
    ):
        event = Annotation(float(onset) - first, float(duration), str(label))
        events.append(event)
        if names:
            about[event.onset, event.label] = list(names)
    recording = _from_samples(raw, RawSamples(raw), events, lazy and not raw.preload)
    return _mark_cuts(mark_bad_spans(recording, about))


def _mark_cuts(recording: Recording) -> Recording:
    """Make the two samples beside each cut invalid, since no signal leads from one to the other; a note says where.

    The length of a cut is mostly not known, so later samples and events stay where the file has them.
    """
    for stream in recording.streams:
        onsets = [mark.onset for mark in recording.annotations if _CUT.fullmatch(mark.label.strip())]
        places = {math.ceil(onset * stream.sfreq - 1e-6) for onset in onsets}  # EEGLAB's lie between two samples
        cuts = sorted(place for place in places if 0 < place < stream.n_times)
        if cuts:
            runs = np.array([(row, cut - 1, cut + 1) for row in range(stream.n_chans) for cut in cuts], np.int64)
            stream.invalid = join_runs(np.concatenate((stream.invalid, runs)))
            named = ", ".join(f"{cut / stream.sfreq:.6g} s" for cut in cuts[:_CUTS_NAMED])
            more = f" and {len(cuts) - _CUTS_NAMED} more places" if len(cuts) > _CUTS_NAMED else ""
            recording.notes += (f"Time jumps at {named}{more}, as marks say: the samples on both sides are invalid.",)
    return recording


JOINED = "follow each other, with one invalid sample between each two."
"""End of the note on a recording of joined epochs; the note begins with their number."""


def from_epochs(epochs: Any) -> Recording:
    """Turn ``mne.BaseEpochs`` into a Recording of all epochs, with one invalid sample between each two.

    An annotation over each epoch carries its event's name. `epochs_of` gives them one by one.

    Parameters
    ----------
    epochs : mne.BaseEpochs
        With at least one epoch that was not dropped.
    """
    values = epochs.get_data(verbose="error")  # (epochs, C, T)
    n_epochs, n_chans, n_times = values.shape
    sfreq, names = epochs.info["sfreq"], _event_names(epochs)
    events = [Annotation(i * (n_times + 1) / sfreq, n_times / sfreq, name) for i, name in enumerate(names)]
    joined = np.full((n_chans, n_epochs, n_times + 1), np.nan)
    joined[:, :, :n_times] = values.swapaxes(0, 1)
    samples = _ArraySamples(joined.reshape(n_chans, -1)[:, :-1])
    recording = _from_samples(epochs, samples, events, lazy=False)
    joining = f"{n_epochs} epochs of {n_times / sfreq:g} s {JOINED}"
    recording.notes = (*recording.notes, joining)
    return mark_bad_spans(recording)


def epochs_of(epochs: Any) -> list[Recording]:
    """Each epoch of ``mne.BaseEpochs`` as a recording of its own, labelled with its number, event and metadata.

    Parameters
    ----------
    epochs : mne.BaseEpochs
        With at least one epoch that was not dropped.
    """
    joined = from_epochs(epochs)
    about = [{}] * len(epochs) if epochs.metadata is None else epochs.metadata.to_dict("records")
    out = split_epochs(joined, len(epochs))
    for i, (epoch, name, facts) in enumerate(zip(out, _event_names(epochs), about, strict=True)):
        more = {f"metadata_{key}" if key in RESERVED else str(key): value for key, value in facts.items()}
        epoch.labels = {"epoch": i, "event": name, **more}
    return out


def split_epochs(joined: Recording, n_epochs: int) -> list[Recording]:
    """The epochs that `from_epochs` has joined, each labelled with its number and the event that is in it."""
    (stream,) = joined.streams
    n_times = (stream.n_times + 1) // n_epochs - 1
    out = []
    for i in range(n_epochs):
        start = i * (n_times + 1)
        part = replace(stream.slice(start, start + n_times), onset=0.0)
        begins, lasts = start / stream.sfreq, part.duration
        events = [
            replace(a, onset=max(a.onset - begins, 0.0))
            for a in joined.annotations
            if begins - 1e-6 <= a.onset < begins + lasts - 1e-6
        ]
        labels = {"epoch": i, "event": events[0].label if events else ""}
        epoch = replace(joined, id=str(i), streams=[part], annotations=events, labels=labels, notes=())
        epoch.content_hash = content_hash([part])
        out.append(epoch)
    return out


RESERVED = (
    "recording", "subject", "onset", "duration", "modality", "ch_names", "valid_fraction", "model", "model_revision",
    "vector", "epoch", "event", "window", "prediction", "lacks",
)  # fmt: skip
"""Columns of embeddings and predictions: metadata of such a name stand as ``metadata_…`` beside them."""


def _event_names(epochs: Any) -> list[str]:
    names = {code: str(name) for name, code in epochs.event_id.items()}
    return [names[code] for code in epochs.events[:, 2]]


def _from_samples(source: Any, samples: RawSamples, events: Sequence[Annotation], lazy: bool) -> Recording:
    """A Recording of an MNE object's channels and `samples`."""
    info = source.info
    if not samples.size:
        raise UnreadableError(f"The MNE {type(source).__name__} object holds no samples: read it from its file again.")
    loaded, invalid, rounded = _examine(samples, lazy)
    notes = ["MNE's float64 values are rounded to float32."] if rounded else []
    resolved = [
        _resolve(channel, kind, bool(info["dig"]), notes)
        for channel, kind in zip(info["chs"], source.get_channel_types(), strict=True)
    ]
    channels, renamed = deduplicate_names([channel for channel, _ in resolved])
    if info["bads"]:
        rows = [row for row, name in enumerate(source.ch_names) if name in info["bads"]]
        invalid = np.concatenate((invalid, np.array([(row, 0, samples.shape[1]) for row in rows], np.int64)))
        notes.append(f"Marked bad in the source, so invalid throughout: {', '.join(info['bads'])}.")
    stream = Stream(
        sfreq=float(info["sfreq"]),
        channels=tuple(channels),
        samples=samples if loaded is None else loaded,
        scale=np.array([factor for _, factor in resolved]),
        offset=np.zeros(len(channels)),
        invalid=invalid,
    )
    trigger_notes: list[str] = []
    if not events:
        events, trigger_notes = from_triggers([stream])
    events, late = in_range(events, stream.duration)
    return Recording(
        id=ADAPTER,
        streams=[stream],
        subject=_subject(info, notes),
        annotations=events,
        source=Source(adapter=ADAPTER),
        content_hash=content_hash([stream]),
        notes=(*notes, *renamed, *trigger_notes, *late, *notes_on(channels)),
    )


def _examine(samples: RawSamples, lazy: bool) -> tuple[NDArray[np.float32] | None, NDArray[np.int64], bool]:
    """All samples unless `lazy`, the runs of those that are not finite, and True if any was rounded."""
    loaded = None if lazy else np.empty(samples.shape, np.float32)
    runs, rounded, largest = [np.empty((0, 3), np.int64)], False, 0.0
    for start, exact in _blocks(samples):
        values = _rounded(exact)
        rounded = rounded or not np.array_equal(values, exact, equal_nan=True)
        largest = max(largest, float(np.fmax.reduce(np.abs(values), axis=None)))
        if not np.isfinite(values).all():
            runs.append(runs_from_mask(~np.isfinite(values)) + np.array([0, start, start]))
        if loaded is not None:
            loaded[:, start : start + values.shape[1]] = values
    samples.largest = largest
    return loaded, np.concatenate(runs), rounded


def _blocks(samples: RawSamples) -> Iterator[tuple[int, NDArray[np.float64]]]:
    n_chans, n_times = samples.shape
    length = max(BLOCK_BYTES // (n_chans * 8), 1)
    for start in range(0, n_times, length):
        yield start, samples.read_exact(start, min(start + length, n_times))


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # becomes infinite, which is not a real value
        return values.astype(np.float32)


def _resolve(source: Any, kind: str, digitised: bool, notes: list[str]) -> tuple[Channel, float]:
    name = source["ch_name"]
    place = source["loc"][:3]
    measured = digitised and kind == "eeg" and np.isfinite(place).all() and bool(np.any(place))
    if measured and not (
        source["coord_frame"] == _HEAD_FRAME and _HEAD_RADII[0] <= float(np.linalg.norm(place)) <= _HEAD_RADII[1]
    ):
        notes.append(f"The position given for channel '{name}' does not lie on a head: left out.")
        measured = False
    position: Position | None = (float(place[0]), float(place[1]), float(place[2])) if measured else None
    unit = "V" if kind in _VOLTS else _UNITS.get(kind, "NA")
    if kind == "eeg" and (not measured or _NOT_EEG.search(name)):  # MNE's type where the file does not say
        by_name = kind_beside_eeg(name)
        if by_name != "eeg":
            notes.append(f"Channel '{name}' is typed EEG in MNE; by its name it is kept as {by_name}.")
            return resolve_channel(name, unit, kind=by_name, position=position)
    if kind == "misc" and guess_kind(name) == "stim":
        kind = "stim"
    return resolve_channel(name, unit, kind=_KINDS.get(kind, "misc"), position=position)


def _subject(info: Any, notes: list[str]) -> Subject | None:
    """Subject of the recording: the source's id, sex, and whole years between birth and measurement."""
    person = info["subject_info"] or {}
    subject_id = str(person.get("his_id") or "")
    if subject_id.strip("X") == "":  # EDF+'s mark for a patient who is not named
        subject_id = ""
    sex = {1: "male", 2: "female"}.get(person.get("sex", 0))
    born, day = person.get("birthday"), info["meas_date"]
    age = None
    if born is not None and day is not None:
        years = day.year - born.year - ((day.month, day.day) < (born.month, born.day))
        age = float(years) if 0 <= years <= 130 else None
        notes += notes_on_unread((years, age))
    return Subject(subject_id, age, sex) if subject_id or sex or age is not None else None


def one_line(error: Exception) -> str:
    """A foreign library's message for use within a sentence."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text.rpartition("Error: ")[2][:300].rstrip(" .:")  # some of MNE's messages quote a traceback
