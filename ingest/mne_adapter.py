"""What MNE reads safely, and MNE's own objects; EDF and BDF keep the integers and the rates of their file."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import UnreadableError
from biosig.recording import UNKNOWN, Channel, Position, Recording, Source, Stream, Subject, content_hash, sample_range
from biosig.recording import Annotation as Event
from biosig.signal import runs_from_mask
from ingest.channels import notes_on, resolve, settle
from ingest.demographics import parse_sex
from ingest.edf import EdfFile, EdfSignal, open_edf
from ingest.files import check_present, sha256_of
from ingest.integers import smallest

FOREIGN_NOTE = "MNE: "
"""Begins a note that repeats a warning of MNE's own."""

_EDF = (".edf", ".bdf")
_BY_MNE = (".fif", ".fif.gz", ".vhdr", ".set", ".gdf", ".lay")
"""Left to MNE. Neuroscan's .cnt is not among them: one vendor's files kill the interpreter."""

_NOT_RAW = re.compile(
    r"[-_](epo|ave|evo|cov|fwd|inv|trans|src|sol|bem|ica|proj|eve|annot|dense|head|layout|stc|tfr|csd|spectrum)\.fif(\.gz)?$"
)
"""MNE's names for FIF files that hold something else than a recording (mne.io, "filename conventions")."""

_DATA_BESIDE = {
    ".vhdr": re.compile(r"^DataFile\s*=\s*(.+?)\s*$", re.M),
    ".lay": re.compile(r"^File\s*=\s*(.+?)\s*$", re.M),
}

_KINDS = {"eeg": "eeg", "eog": "eog", "ecg": "ecg", "emg": "emg", "resp": "resp", "stim": "stim", "temperature": "temp"}


class MneAdapter:
    """Reads EDF, EDF+, BDF, FIF, BrainVision, EEGLAB, GDF and Persyst files, and MNE's own objects."""

    name = "mne"
    describes = "EDF and BDF (.edf, .bdf), FIF (.fif), BrainVision (.vhdr), EEGLAB (.set), GDF (.gdf), Persyst (.lay)"

    def claims(self, path: Path) -> bool:
        """Whether `path` is the file that stands for a recording (a ``.vhdr``, not its ``.eeg``), by its name."""
        name = path.name.lower()
        return name.endswith(_EDF + _BY_MNE) and not _NOT_RAW.search(name)

    def read(self, path: Path, *, lazy: bool = False, **options: Any) -> Recording:  # noqa: ARG002
        """Read one recording.

        Raises
        ------
        UnreadableError
            If the file is damaged, cut short or incomplete; the sentence names the file and the remedy.
        """
        if options:
            raise TypeError(f"The MNE adapter takes no options, not {', '.join(options)}.")
        if path.suffix.lower() in _EDF:
            return _from_edf(open_edf(path))
        check_present(path)
        files = (path, *_data_files(path))
        import mne

        try:
            with warnings.catch_warnings(record=True) as heard:
                warnings.simplefilter("always")
                raw = mne.io.read_raw(path, preload=True, verbose="error")
        except Exception as error:  # MNE's readers raise almost anything on damaged files
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UnreadableError(f"{path} cannot be read by MNE ({reason[:300]}): fetch or export it again.") from None
        recording = from_raw(raw)
        recording.id = path.name.split(".")[0] if path.name.lower().endswith(".fif.gz") else path.stem
        recording.source = Source(str(path), self.name, sha256_of(files))
        said = dict.fromkeys(" ".join(str(w.message).split()) for w in heard if issubclass(w.category, RuntimeWarning))
        recording.notes = (*recording.notes, *(FOREIGN_NOTE + text for text in said))
        return recording

    def convert(self, obj: object) -> Recording | None:
        """Turn an ``mne.io.BaseRaw`` or ``mne.BaseEpochs`` into a Recording; None for anything else."""
        import mne

        if isinstance(obj, mne.io.BaseRaw):
            return from_raw(obj)
        return from_epochs(obj) if isinstance(obj, mne.BaseEpochs) else None


def from_raw(raw: Any) -> Recording:
    """Turn an ``mne.io.BaseRaw`` into a Recording: one stream, float32, EEG in uV, bad channels invalid.

    Positions count as measured where `raw` has digitised points. Annotations are seconds from the first sample.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        With or without preloaded data.
    """
    first = raw.first_time  # MNE counts onsets from the measurement's start, of which `raw` may be a crop
    marks = raw.annotations
    events = [
        Event(float(onset) - first, float(duration), str(label))
        for onset, duration, label in zip(marks.onset, marks.duration, marks.description, strict=True)
    ]
    return _from_arrays(raw, raw.get_data(), events)


def from_epochs(epochs: Any) -> Recording:
    """Turn ``mne.BaseEpochs`` into a Recording in which the epochs follow each other without a gap.

    Windows as long as an epoch, without overlap, are the epochs; an annotation over each carries its event's name.

    Parameters
    ----------
    epochs : mne.BaseEpochs
        With at least one epoch that was not dropped.
    """
    values = epochs.get_data(verbose="error")  # (epochs, C, T)
    length = values.shape[2] / epochs.info["sfreq"]
    names = {code: name for name, code in epochs.event_id.items()}
    events = [Event(i * length, length, str(names[code])) for i, code in enumerate(epochs.events[:, 2])]
    recording = _from_arrays(epochs, np.concatenate([*values, np.empty((values.shape[1], 0))], axis=1), events)
    recording.notes = (*recording.notes, f"{len(values)} epochs of {length:g} s follow each other without a gap.")
    return recording


def _from_arrays(source: Any, values: NDArray[np.float64], events: list[Event]) -> Recording:
    """A Recording of an MNE object's channels and `values`, (C, T) in SI units."""
    info = source.info
    if not values.size:
        raise UnreadableError(f"The MNE {type(source).__name__} object holds no samples: read it from its file again.")
    samples = values.astype(np.float32)
    notes: list[str] = []
    if not np.array_equal(samples, values, equal_nan=True):
        notes.append("MNE's float64 values are rounded to float32.")
    resolved = [
        _resolve_mne(channel, kind, bool(info["dig"]), notes)
        for channel, kind in zip(info["chs"], source.get_channel_types(), strict=True)
    ]
    channels, renamed = settle([channel for channel, _ in resolved])
    invalid = ~np.isfinite(samples)
    if info["bads"]:
        invalid[[name in info["bads"] for name in source.ch_names]] = True
        notes.append(f"Marked bad in the source, so invalid throughout: {', '.join(info['bads'])}.")
    stream = Stream(
        sfreq=float(info["sfreq"]),
        channels=tuple(channels),
        samples=samples,
        scale=np.array([factor for _, factor in resolved]),
        offset=np.zeros(len(channels)),
        invalid=runs_from_mask(invalid),
    )
    events, late = _in_range(events, stream.duration)
    person = info["subject_info"] or {}
    subject_id = str(person.get("his_id") or "")
    sex = {1: "male", 2: "female"}.get(person.get("sex", 0))
    recording = Recording(
        id="mne",
        streams=[stream],
        subject=Subject(subject_id, None, sex) if subject_id or sex else None,
        annotations=events,
        source=Source(adapter=MneAdapter.name),
        content_hash=content_hash([stream]),
        notes=(*notes, *renamed, *late, *notes_on(channels)),
    )
    return _mark_bad_spans(recording)


def _resolve_mne(source: Any, kind: str, digitised: bool, notes: list[str]) -> tuple[Channel, float]:
    name = source["ch_name"]
    place = source["loc"][:3]
    measured = digitised and kind == "eeg" and np.isfinite(place).all() and bool(np.any(place))
    position: Position | None = (float(place[0]), float(place[1]), float(place[2])) if measured else None
    volts = kind in ("eeg", "eog", "ecg", "emg", "seeg", "ecog", "dbs", "bio")
    unit = "V" if volts else {"mag": "T", "ref_meg": "T", "grad": "T/m", "temperature": "degC"}.get(kind, "NA")
    if kind == "eeg" and not measured:  # MNE calls a channel EEG where the file does not say
        guess, factor = resolve(name, unit)
        if guess.kind not in ("eeg", "misc"):
            notes.append(f"Channel '{name}' is typed EEG in MNE; by its name it is kept as {guess.kind}.")
            return guess, factor
    return resolve(name, unit, kind=_KINDS.get(kind, "misc"), position=position)


def _mark_bad_spans(recording: Recording) -> Recording:
    """Samples under an annotation that starts with "bad" are not real values: MNE's own convention for marking them."""
    bad = [a for a in recording.annotations if a.label.lower().startswith("bad") and a.duration > 0]
    for stream in recording.streams:
        spans = [sample_range(a.onset - stream.onset, a.duration, stream.sfreq, stream.n_times) for a in bad]
        runs = [(row, start, stop) for row in range(stream.n_chans) for start, stop in spans if stop > start]
        stream.invalid = np.concatenate((stream.invalid, np.array(runs, np.int64).reshape(-1, 3)))
    if bad:
        seconds = sum(a.duration for a in bad)
        recording.notes += (f"{len(bad)} annotations mark {seconds:g} s as bad, so invalid in all channels.",)
    return recording


def _in_range(events: list[Event], duration: float) -> tuple[list[Event], list[str]]:
    kept = [e for e in events if 0 <= e.onset < duration]
    left = len(events) - len(kept)
    kept = [Event(e.onset, min(max(e.duration, 0.0), duration - e.onset), e.label) for e in kept]
    notes = [f"{left} of {len(events)} annotations lie outside the signals: left out."] if left else []
    return sorted(kept, key=lambda e: e.onset), notes


def _data_files(path: Path) -> list[Path]:
    """The files with samples that a text header names, checked; MNE's own messages about them do not say what to do."""
    pattern = _DATA_BESIDE.get(path.suffix.lower())
    match = pattern.search(path.read_bytes()[:1_000_000].decode("utf-8", errors="ignore")) if pattern else None
    if match is None:
        return []
    name = match[1].replace("$b", path.stem)
    if "/" in name or "\\" in name or name == "..":
        raise UnreadableError(
            f"{path} refers to '{name}', outside its own folder: put the data file beside the header."
        )
    check_present(path.parent / name, wanted_by=path)
    return [path.parent / name]


def _from_edf(file: EdfFile) -> Recording:
    signals = [s for s in file.signals if not s.is_annotations and s.n_samples]
    if not signals:
        raise UnreadableError(f"{file.path} holds only annotations: point to the recording that they belong to.")
    if file.record_duration <= 0:
        raise UnreadableError(
            f"{file.path} gives its data records a length of {file.record_duration:g} s: fetch it again."
        )
    events, starts = file.annotations()
    n_gaps = int(np.sum(np.abs(np.diff(starts) - file.record_duration) > 1e-3))
    if file.discontinuous and n_gaps:
        raise UnreadableError(
            f"{file.path} is discontinuous (EDF+D): {n_gaps} gaps between its data records, which is not read yet; "
            "split it into continuous files."
        )
    notes = list(file.notes)
    resolved = {id(s): _resolve_edf(s, file) for s in signals}
    channels, renamed = settle([resolved[id(s)][0] for s in signals])
    channel_of = {id(s): channel for s, channel in zip(signals, channels, strict=True)}
    streams = []
    for n in dict.fromkeys(s.n_samples for s in signals):
        group = [s for s in signals if s.n_samples == n]
        factor = np.array([resolved[id(s)][1] for s in group])
        streams.append(
            Stream(
                sfreq=n / file.record_duration,
                channels=tuple(channel_of[id(s)] for s in group),
                samples=smallest(file.digital(group)),
                scale=np.array([s.scale for s in group]) * factor,
                offset=np.array([s.offset for s in group]) * factor,
            )
        )
    events, late = _in_range(events, max(s.duration for s in streams))
    subject_id, sex = _patient(file.patient)
    recording = Recording(
        id=file.path.stem,
        streams=streams,
        subject=Subject(subject_id, None, sex) if subject_id or sex else None,
        annotations=events,
        source=Source(str(file.path), MneAdapter.name, sha256_of([file.path])),
        content_hash=content_hash(streams),
        notes=(*notes, *renamed, *late, *notes_on(channels)),
    )
    return _mark_bad_spans(recording)


def _resolve_edf(signal: EdfSignal, file: EdfFile) -> tuple[Channel, float]:
    stim = signal.label.upper() in ("STATUS", "STI 014", "TRIGGER") or (file.n_bytes == 3 and signal.unit == "Boolean")
    if stim:
        return Channel(signal.label, signal.label, "stim", signal.unit, UNKNOWN), 1.0
    return resolve(signal.label, signal.unit)


def _patient(text: str) -> tuple[str, str | None]:
    """Subject id and sex from EDF+'s "code sex birthdate name" or EDF's free text; "X" and blanks mean unknown."""
    parts = text.split()
    if len(parts) >= 4 and parts[1] in ("F", "M", "X"):
        return " ".join(part for part in (parts[0], *parts[3:]) if part.strip("X,_")), parse_sex(parts[1])
    return " ".join(part for part in parts if part.strip("X,_")), None
