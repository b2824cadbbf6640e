"""WFDB records (PhysioNet): header, signal files in any storage format that wfdb decodes, annotations, comments.

WFDB's own names (`fs`, `sig_name`, `adc_gain`, …) stay inside the wfdb_*.py files.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import wfdb
from numpy.typing import NDArray

from biosig.errors import UnreadableError
from biosig.recording import Recording, Source, Stream, Subject, content_hash
from biosig.signal import runs_from_mask
from ingest.channels import notes_on, resolve, settle
from ingest.demographics import note_on_age, parse_age, parse_sex
from ingest.files import sha256_of
from ingest.integers import smallest
from ingest.wfdb_annotations import read_annotations
from ingest.wfdb_header import MISSING, read_header

_KEY_VALUE = re.compile(r"\s*([A-Za-z][\w ]*?)\s*:\s*(.*?)\s*")
_ANGLE = re.compile(r"<(\w+)>:\s*([^<]*)")
_AGE_SEX = re.compile(r"\s*(\d{1,3})\s+([MF])\b.*")  # the MIT-BIH databases: "69 M 1085 1629 x1"


class WfdbAdapter:
    """Reads single-segment WFDB records; the ``.hea`` stands for the record."""

    name = "wfdb"
    describes = "WFDB records (.hea)"

    def claims(self, path: Path) -> bool:
        """Whether `path` is a header, by its extension."""
        return path.suffix.lower() == ".hea"

    def read(self, path: Path, **options: Any) -> Recording:
        """Read one record; the samples are the file's own integers.

        Raises
        ------
        UnreadableError
            If the record is damaged, incomplete or multi-segment; the sentence names the file and the remedy.
        """
        if options:
            raise TypeError(f"The WFDB adapter takes no options, not {', '.join(options)}.")
        header = read_header(path)
        try:
            record = _read_digital(path, header.record.fmt)
        except Exception as error:  # a damaged signal file can surface as almost any exception
            raise UnreadableError(
                f"{path} cannot be decoded by wfdb ({error}): fetch its signal files again."
            ) from None
        record.sig_name, record.units = header.record.sig_name, header.record.units
        recording = self.convert(record)
        assert recording is not None
        annotations, annotation_files, notes = read_annotations(path, record.fs, recording.duration)
        recording.id = path.stem
        recording.annotations = annotations
        recording.source = Source(str(path), self.name, sha256_of((*header.files, *annotation_files)))
        recording.notes = (*header.notes, *recording.notes, *notes)
        return recording

    def convert(self, obj: object) -> Recording | None:
        """Turn a ``wfdb.Record`` that holds digital or physical signals into a Recording; None for anything else."""
        if not isinstance(obj, wfdb.Record):
            return None
        signals, scale, offset = _signals(obj)
        expanded = obj.e_d_signal is not None or obj.e_p_signal is not None
        per_frame = [n or 1 for n in obj.samps_per_frame] if expanded else [1] * obj.n_sig
        names = [name or f"signal {i}" for i, name in enumerate(obj.sig_name)]
        resolved = [resolve(name, unit or "mV") for name, unit in zip(names, obj.units, strict=True)]
        channels, notes = settle([channel for channel, _ in resolved])
        factor = np.array([factor for _, factor in resolved])
        streams = []
        for n in dict.fromkeys(per_frame):
            rows = [row for row in range(obj.n_sig) if per_frame[row] == n]
            samples = np.stack([signals[row] for row in rows])  # (C, T)
            invalid = _missing(obj, samples, rows, n)
            streams.append(
                Stream(
                    sfreq=float(obj.fs) * n,
                    channels=tuple(channels[row] for row in rows),
                    samples=smallest(samples),
                    scale=(scale * factor)[rows],
                    offset=(offset * factor)[rows],
                    invalid=runs_from_mask(invalid),
                )
            )
        subject, labels, left = _comments(obj.comments or [], notes)
        if left:
            notes.append(f"{left} comment line(s) of the header are neither age, sex nor diagnosis codes: left out.")
        return Recording(
            id=str(obj.record_name),
            streams=streams,
            subject=subject,
            labels=labels,
            source=Source(adapter=self.name),
            content_hash=content_hash(streams),
            notes=(*notes, *notes_on(channels)),
        )


def _read_digital(path: Path, formats: list[str]) -> Any:
    """Read every sample of every frame as the integer that the file holds."""
    name = str(path.with_suffix(""))
    if "61" not in formats:
        return wfdb.rdrecord(name, physical=False, smooth_frames=False, return_res=32)
    # wfdb 4.3 cannot return big-endian integers; its physical values are exact in float64 and turn back into them
    record = wfdb.rdrecord(name, physical=True, smooth_frames=False, return_res=64)
    digital = []
    for row, values in enumerate(record.e_p_signal):
        missing = MISSING.get(record.fmt[row], 0)
        levels = np.rint(values * record.adc_gain[row] + record.baseline[row])
        digital.append(np.where(np.isnan(values), missing, levels).astype(np.int32))
    record.e_d_signal, record.e_p_signal = digital, None
    return record


def _signals(record: Any) -> tuple[list[NDArray[Any]], NDArray[np.float64], NDArray[np.float64]]:
    """Signals as the record holds them, with the affine map to its units: one (T,) array per signal."""
    ones, zeros = np.ones(record.n_sig), np.zeros(record.n_sig)
    if record.e_d_signal is not None or record.d_signal is not None:
        signals = record.e_d_signal if record.e_d_signal is not None else list(record.d_signal.T)
        gain = np.array(record.adc_gain, np.float64)
        return list(signals), 1 / gain, -np.array(record.baseline, np.float64) / gain
    if record.e_p_signal is not None:
        return [np.asarray(s, np.float32) for s in record.e_p_signal], ones, zeros
    if record.p_signal is not None:
        return list(np.asarray(record.p_signal, np.float32).T), ones, zeros
    raise UnreadableError(f"WFDB record '{record.record_name}' holds no signals: read it with wfdb.rdrecord.")


def _missing(record: Any, samples: NDArray[Any], rows: list[int], per_frame: int) -> NDArray[np.bool_]:
    """Samples that WFDB marks as missing, and the ends that a skewed signal does not reach, (C, T)."""
    invalid = np.zeros(samples.shape, bool)
    if samples.dtype.kind == "f":
        return ~np.isfinite(samples)
    for i, row in enumerate(rows):
        missing = MISSING.get((record.fmt or ["8"] * record.n_sig)[row])
        if missing is not None:
            invalid[i] = samples[i] == missing
        skew = (record.skew or [0] * record.n_sig)[row] or 0
        if skew:  # wfdb shifts the signal to its place and invents the last `skew` frames
            invalid[i, -skew * per_frame :] = True
    return invalid


def _comments(lines: list[str], notes: list[str]) -> tuple[Subject | None, dict[str, Any], int]:
    """Subject and labels from a header's comments, and how many lines said something else.

    Known forms: "Age: 63", "Sex: F", "Dx: 426783006,164889003" (the PhysioNet challenges), "<age>: 25 <sex>: M"
    (ECG-ID and others), "69 M 1085 1629 x1" (MIT-BIH).
    """
    age, sex, left = None, None, 0
    labels: dict[str, Any] = {}
    for line in filter(str.strip, lines):
        pairs = _ANGLE.findall(line)
        if match := _AGE_SEX.fullmatch(line):
            pairs = [("age", match[1]), ("sex", match[2])]
        elif match := _KEY_VALUE.fullmatch(line):
            pairs = [(match[1], match[2])]
        known = False
        for key, value in pairs:
            match key.lower():
                case "age":
                    age, known = parse_age(value), True
                    notes += note_on_age(value)
                case "sex" | "gender":
                    sex, known = parse_sex(value), True
                case "dx":
                    labels["dx"], known = [code.strip() for code in value.split(",") if code.strip()], True
                case "chagas label":
                    labels["chagas"], known = value.lower() == "true", True
        left += not known
    subject = None if age is None and sex is None else Subject("", age, sex)
    return subject, labels, left
