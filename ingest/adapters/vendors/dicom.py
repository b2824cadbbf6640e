"""DICOM waveforms: 12-lead, general and ambulatory ECG, and the other signals that DICOM keeps in the same way.

DICOM PS3.3 C.10.9 (waveform) and C.10.10 (waveform annotation); lead codes from PS3.16 CID 3001.
"""

from __future__ import annotations

import os
import stat
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.content_hash import content_hash
from biosig.electrodes.channels import deduplicate_names, notes_on, resolve_channel
from biosig.errors import UnreadableError, UsageError
from biosig.reading import NEVER, Adapter, Identifier
from biosig.recording import Recording, Source, Stream, Subject
from biosig.source_files import sha256_of
from ingest.adapters.common.library_errors import translate_errors
from ingest.adapters.tables.array_readers import MOST_IN_MEMORY, InFile, InMemory, Variable
from ingest.adapters.tables.arrays import ArraySamples, Part, survey
from ingest.adapters.vendors.dicom_annotations import add_annotations, code_of
from ingest.demographics import notes_on_unread

_WAVEFORMS = b"1.2.840.10008.5.1.4.1.1.9."
_AUDIO = _WAVEFORMS + b"4."
_PREAMBLE = 128
_HEAD = 1024  # the kind of object stands in the first few hundred bytes
_DEFLATED = "1.2.840.10008.1.2.1.99"
_TYPES = {(8, "SB"): "i1", (8, "UB"): "u1", (16, "SS"): "i2", (16, "US"): "u2", (32, "SL"): "i4", (32, "UL"): "u4"}
_LEADS = (
    {1: "I", 2: "II", 61: "III", 62: "aVR", 63: "aVL", 64: "aVF", 65: "-aVR", 66: "V8", 67: "V9", 68: "V8R", 69: "V9R"}
    | {code: f"V{code - 2}" for code in range(3, 10)}
    | {code: f"V{code - 8}R" for code in range(10, 16)}
    | {16: "X", 17: "Y", 18: "Z", 31: "I", 32: "II", 111: "III", 112: "aVR", 113: "aVL", 114: "aVF"}
    | {code: f"V{code - 32}" for code in range(33, 39)}
)
"""Lead numbers of SCP-ECG (EN 1064), which DICOM writes as 5.6.3-9-N (SCPECG) or 2:N (MDC)."""
_YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}


_IDENTIFIERS = {
    "PatientName": ("name", NEVER),
    "PatientID": ("subject id", "becomes a keyed hash"),
    "OtherPatientIDs": ("subject id", NEVER),
    "PatientBirthDate": ("birth date", "becomes an age in years"),
    "PatientAddress": ("address", NEVER),
    "PatientTelephoneNumbers": ("address", NEVER),
    "PatientComments": ("free text", NEVER),
    "StudyDate": ("recording date", NEVER),
    "StudyTime": ("recording date", NEVER),
    "AcquisitionDateTime": ("recording date", NEVER),
    "ContentDate": ("recording date", NEVER),
    "AccessionNumber": ("case number", NEVER),
    "StudyID": ("case number", NEVER),
    "InstitutionName": ("place", NEVER),
    "InstitutionAddress": ("address", NEVER),
    "ReferringPhysicianName": ("name", NEVER),
    "PhysiciansOfRecord": ("name", NEVER),
    "PerformingPhysicianName": ("name", NEVER),
    "OperatorsName": ("name", NEVER),
    "DeviceSerialNumber": ("device", NEVER),
    "StationName": ("device", NEVER),
    "StudyDescription": ("free text", NEVER),
}


class DicomAdapter(Adapter):
    """Reads DICOM waveform objects through pydicom; multiplex groups are streams."""

    name = "dicom"
    describes = "DICOM waveforms (12-lead, general and ambulatory ECG, …)"

    def claims(self, path: Path) -> bool:
        """True if `path` is a DICOM object with a waveform other than sound, or is called ``.dcm`` and is not DICOM."""
        try:
            head = _head(path)
        except OSError:
            return path.suffix.lower() == ".dcm"
        if head[_PREAMBLE : _PREAMBLE + 4] != b"DICM":
            return path.suffix.lower() == ".dcm"
        return _WAVEFORMS in head and _AUDIO not in head

    def read_recording(self, path: Path, *, lazy: bool) -> Recording:
        """Read one recording.

        Parameters
        ----------
        path : Path
            The file.
        lazy : bool
            Leave the samples in it.

        Raises
        ------
        UnreadableError
            If it is damaged, holds no waveform, or one in an encoding of sound.
        UsageError
            If pydicom is not installed.
        """
        try:
            import pydicom
        except ImportError:
            raise UsageError(f"{path} is a DICOM file, which needs pydicom: pip install 'biosig-fm[dicom]'.") from None
        with translate_errors("DICOM waveform", path), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd headers; what matters is checked here
            syntax = pydicom.filereader.read_file_meta_info(path).get("TransferSyntaxUID", "")
            _check_size(path, str(syntax))
            recording = _recording(pydicom.dcmread(path), path)
        recording.source = Source(str(path), self.name, sha256_of([path]))
        return recording if lazy else recording.load()

    def convert(self, obj: object) -> Recording | None:
        """Turn a `pydicom.Dataset` with waveforms into a Recording, None if it is something else."""
        pydicom = sys.modules.get("pydicom")
        if pydicom is None or not isinstance(obj, pydicom.Dataset) or "WaveformSequence" not in obj:
            return None
        return replace(_recording(obj, None).load(), source=Source("", self.name))

    def identifiers(self, path: Path) -> Iterator[Identifier]:
        """Fields of the header that tell who was recorded, when and with which device."""
        import pydicom

        dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        for keyword, (sort, fate) in _IDENTIFIERS.items():
            yield Identifier(keyword, sort, str(dataset.get(keyword) or ""), fate)
        n_private = sum(element.tag.is_private for element in dataset)
        yield Identifier("private elements", "unknown", f"{n_private} elements" if n_private else "", NEVER)


def _head(path: Path) -> bytes:
    """The first bytes of a file; none of a pipe or a folder, at which opening would wait or fail."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        return b""
    handle = os.open(path, os.O_RDONLY)  # of a million files each is asked: buffers would cost more than the read
    try:
        return os.read(handle, _HEAD)
    finally:
        os.close(handle)


def _check_size(path: Path, syntax: str) -> None:
    size = path.stat().st_size
    if syntax == _DEFLATED and size > 2**20:  # 1 MB may unpack to 1 GB
        raise UnreadableError(f"{path} is deflated as a whole: unpack it first (dcmconv --write-xfer-little).")
    if size > MOST_IN_MEMORY:
        raise UnreadableError(
            f"{path} holds {size / 2**30:.1f} GiB in one object: export it in parts of at most "
            f"{MOST_IN_MEMORY / 2**30:.0f} GiB."
        )


def _recording(dataset: Any, path: Path | None) -> Recording:
    """A dataset as a recording; derived groups are left out where there is an original."""
    where = str(path) if path else "The DICOM dataset"
    groups = list(dataset.get("WaveformSequence") or [])
    if not groups:
        raise UnreadableError(f"{where} holds no waveform: point to an ECG or another signal.")
    original = [str(group.get("WaveformOriginality", "")) != "DERIVED" for group in groups]
    kept = {n for n, is_original in enumerate(original) if is_original or not any(original)}
    notes = [
        f"Multiplex group {n + 1} ({group.get('NumberOfWaveformChannels')} channels of "
        f"{group.get('NumberOfWaveformSamples')} samples) is derived from others: left out."
        for n, group in enumerate(groups)
        if n not in kept
    ]
    streams = {n: _stream(dataset, groups[n], path, where, notes) for n in sorted(kept)}
    first = min(stream.onset for stream in streams.values())
    channels, renamed = deduplicate_names([channel for stream in streams.values() for channel in stream.channels])
    for stream in streams.values():
        stream.onset -= min(first, 0.0)
        stream.channels, channels = tuple(channels[: stream.n_chans]), channels[stream.n_chans :]
    recording = Recording(
        id=path.stem if path else "dicom",
        streams=list(streams.values()),
        subject=_subject(dataset, notes),
        content_hash=content_hash(list(streams.values())),
    )
    add_annotations(recording, dataset.get("WaveformAnnotationSequence") or [], streams, notes)
    recording.notes = (*notes, *renamed, *notes_on(recording.channels))
    return recording


def _stream(dataset: Any, group: Any, path: Path | None, where: str, notes: list[str]) -> Stream:
    n_chans, n_times = int(group.NumberOfWaveformChannels), int(group.NumberOfWaveformSamples)
    sfreq = float(group.SamplingFrequency)
    encoding = (int(group.WaveformBitsAllocated), str(group.WaveformSampleInterpretation))
    definitions = list(group.ChannelDefinitionSequence)
    if encoding not in _TYPES:
        raise UnreadableError(f"{where} holds samples of {encoding[0]} bits, {encoding[1]}: export linear integers.")
    if len(definitions) != n_chans or n_times < 1 or not (np.isfinite(sfreq) and sfreq > 0):
        raise UnreadableError(
            f"{where} announces {n_chans} channels of {n_times} samples at {sfreq:g} Hz and describes "
            f"{len(definitions)} channels: it is damaged; export it again."
        )
    _, is_little_endian = dataset.original_encoding
    dtype = np.dtype((">" if is_little_endian is False else "<") + _TYPES[encoding])
    variable = _variable(group, path, where, (n_times, n_chans), dtype)
    samples = ArraySamples([Part(variable, ("time", "channel"))], dtype)
    padding = group.get("WaveformPaddingValue")
    if isinstance(padding, bytes):
        padding = np.frombuffer(padding[: dtype.itemsize], dtype)[0]
    kept, invalid, rounded = survey(samples, [] if padding is None else [float(padding)], Path(where))
    samples.dtype = np.dtype(kept)
    notes += rounded
    channels, scale, offset = [], np.ones(n_chans), np.zeros(n_chans)
    for row, definition in enumerate(definitions):
        name, in_file, kind = _name(definition, row)
        unit = code_of(definition, "ChannelSensitivityUnitsSequence", "CodeValue")
        channel, factor = resolve_channel(name, unit, kind=kind)
        channels.append(replace(channel, source_name=in_file))
        sensitivity = float(definition.get("ChannelSensitivity") or 1)
        correction = float(definition.get("ChannelSensitivityCorrectionFactor") or 1)
        scale[row] = sensitivity * correction * factor
        offset[row] = float(definition.get("ChannelBaseline") or 0) * factor
        skew = float(definition.get("ChannelSampleSkew") or 0)
        if abs(skew) >= 1:
            notes.append(f"Channel '{name}' was sampled {skew:g} samples late: kept in its place.")
    if not (np.isfinite(scale).all() and np.isfinite(offset).all() and scale.all()):
        raise UnreadableError(
            f"{where} has a channel sensitivity or baseline that is 0 or not a number: export it again."
        )
    onset = float(group.get("MultiplexGroupTimeOffset") or 0) / 1000
    return Stream(sfreq, tuple(channels), samples, scale, offset, invalid, onset)


def _variable(group: Any, path: Path | None, where: str, shape: tuple[int, int], dtype: np.dtype[Any]) -> Variable:
    """The samples of a group, in their file if it is known where."""
    tell = getattr(group.get_item("WaveformData"), "value_tell", None) or getattr(group["WaveformData"], "file_tell", 0)
    raw = bytes(group.WaveformData)
    nbytes = shape[0] * shape[1] * dtype.itemsize
    if len(raw) < nbytes:
        raise UnreadableError(
            f"{where} announces {shape[1]} channels of {shape[0]} samples, {nbytes} bytes, but holds {len(raw)}: it is "
            "cut short or damaged; export it again."
        )
    if path is not None and tell:
        with path.open("rb") as file:
            file.seek(tell)
            if file.read(nbytes) == raw[:nbytes]:
                return InFile(path, tell, shape, dtype)
    array: NDArray[Any] = np.frombuffer(raw[:nbytes], dtype).reshape(shape)
    return InMemory(array)


def _name(definition: Any, row: int) -> tuple[str, str, str | None]:
    """A channel's name by the code of its lead, its name in the file, and its kind where the code tells it."""
    value = code_of(definition, "ChannelSourceSequence", "CodeValue")
    scheme = code_of(definition, "ChannelSourceSequence", "CodingSchemeDesignator")
    label = str(definition.get("ChannelLabel") or "").strip()
    in_file = code_of(definition, "ChannelSourceSequence") or label or value or f"channel {row}"
    number = {"SCPECG": value.removeprefix("5.6.3-9-"), "MDC": value.removeprefix("2:")}.get(scheme, "")
    if number.isascii() and number.isdigit() and int(number) in _LEADS:
        return _LEADS[int(number)], in_file, "ecg"
    return in_file.removeprefix("Lead "), in_file, None


def _subject(dataset: Any, notes: list[str]) -> Subject | None:
    """Id, sex, and the age that was written down; a birth date is not looked at."""
    text = str(dataset.get("PatientAge") or "").strip()
    age = float(text[:-1]) * _YEARS[text[-1]] if text[:-1].isdigit() and text[-1] in _YEARS else None
    sex = {"F": "female", "M": "male"}.get(str(dataset.get("PatientSex") or "").strip())
    notes += notes_on_unread((text, age))
    subject = Subject(str(dataset.get("PatientID") or "").strip(), age, sex)
    return None if subject == Subject("") else subject
