"""The signal files of a WFDB record, checked to exist and to be long enough, and any of their frames as integers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import UnreadableError
from biosig.source_files import check_present
from ingest.adapters.wfdb.formats import FLAC_BITS, PACKINGS
from ingest.adapters.wfdb.header import GAP, Header

_CHECKPOINT = 2**16  # frames of differences between two known sums
_SUBTYPES = {"PCM_S8": 8, "PCM_16": 16, "PCM_24": 24}  # soundfile's names → bits
_FLAC_CHUNK = 2**20  # libsndfile cannot read 2**24 samples at once (libsndfile issue 431)


@dataclass(slots=True)
class SignalFile:
    """One file, and the signals of a record that are in it.

    Parameters
    ----------
    path : Path
    fmt : str
        Storage format.
    byte_offset : int
        First byte of the samples; in a FLAC stream, the sample that comes first.
    per_frame : list of int
        Samples of each of its signals in a frame.
    rows : list of int
        Their rows among the header's signals.
    first : list of int
        For format 8: the value before the first difference.
    n_frames : int
        Frames that belong to the record.
    """

    path: Path
    fmt: str
    byte_offset: int
    per_frame: list[int]
    rows: list[int]
    first: list[int]
    n_frames: int = 0
    _sums: list[NDArray[np.int64]] = field(default_factory=list)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Frames `start` to `stop`, each with the samples of one signal after those of the other.

        Returns
        -------
        ndarray of int16 or int32, shape (stop - start, samples per frame)

        Raises
        ------
        UnreadableError
            If the file has become shorter, or its FLAC stream is damaged.
        """
        if self.fmt in FLAC_BITS:
            return self._read_flac(start, stop)
        return self._read_sums(start, stop) if self.fmt == "8" else self._read_packed(start, stop)

    def _read_packed(self, start: int, stop: int) -> NDArray[Any]:
        packing = PACKINGS[self.fmt]
        width = sum(self.per_frame)
        in_group, group_bytes = packing.group
        group, skip = divmod(start * width, in_group)
        n_samples = (stop - start) * width
        n_bytes = packing.bytes_for(skip + n_samples)
        with self.path.open("rb", buffering=0) as file:
            file.seek(self.byte_offset + group * group_bytes)
            raw = file.read(n_bytes)
        if len(raw) < n_bytes:
            raise UnreadableError(f"{self.path} ends before frame {stop}, which its header promises: fetch it again.")
        samples = packing.decode(raw + bytes(-n_bytes % group_bytes))
        return samples[skip : skip + n_samples].reshape(-1, width)

    def _read_sums(self, start: int, stop: int) -> NDArray[Any]:
        """Format 8 holds differences: the sums before every `_CHECKPOINT`-th frame are found once, on the way there."""
        edges = np.cumsum([0, *self.per_frame])
        at = start // _CHECKPOINT
        self._sums = self._sums or [np.array(self.first, np.int64)]
        while len(self._sums) <= at:
            n = len(self._sums)
            block = self._read_packed((n - 1) * _CHECKPOINT, n * _CHECKPOINT)
            self._sums.append(self._sums[-1] + np.add.reduceat(block.sum(axis=0, dtype=np.int64), edges[:-1]))
        samples = self._read_packed(at * _CHECKPOINT, stop)
        for left, right, before in zip(edges, edges[1:], self._sums[at], strict=False):
            of_signal = samples[:, left:right]
            samples[:, left:right] = (of_signal.cumsum(dtype=np.int64) + before).reshape(of_signal.shape)
        return samples[start - at * _CHECKPOINT :]

    def _read_flac(self, start: int, stop: int) -> NDArray[Any]:
        import soundfile

        n = self.per_frame[0]
        n_chans = len(self.per_frame)
        try:
            with soundfile.SoundFile(self.path) as file:
                file.seek(self.byte_offset + start * n)
                bits = _SUBTYPES[file.subtype]
                dtype = "int16" if bits <= 16 else "int32"
                wanted = range(0, (stop - start) * n, _FLAC_CHUNK)
                chunks = [file.read(min(_FLAC_CHUNK, wanted.stop - at), dtype=dtype, always_2d=True) for at in wanted]
        except (soundfile.LibsndfileError, RuntimeError) as error:
            raise UnreadableError(f"{self.path} cannot be decoded as FLAC ({error}): fetch it again.") from None
        samples = np.concatenate(chunks) if chunks else np.empty((0, n_chans), dtype)
        if len(samples) < wanted.stop:
            raise UnreadableError(f"{self.path} ends before frame {stop}, which its header promises: fetch it again.")
        if bits in (8, 24):  # soundfile fills up to 16 and 32 bits from the left
            samples >>= 8
        return samples.reshape(-1, n, n_chans).transpose(0, 2, 1).reshape(-1, n * n_chans)


def open_files(header: Header) -> tuple[list[SignalFile], int, list[str]]:
    """Check a header against its signal files.

    Returns
    -------
    files : list of SignalFile
        Each once, in the order of the header.
    n_frames : int
        Frames to read.
    notes : list of str
        Sentences on contradictions between the header's counts and the files' sizes.

    Raises
    ------
    UnreadableError
        One sentence: a file is absent, a git-LFS pointer, empty, shorter than the header says, or in no WFDB format.
    """
    if any(signal.file == GAP for signal in header.signals):
        raise UnreadableError(
            f"{header.path} is the layout header of a multi-segment WFDB record, without signals of its own: point to "
            "the header that lists its segments."
        )
    files: dict[str, SignalFile] = {}
    for row, signal in enumerate(header.signals):
        file = files.get(signal.file)
        if file is None:
            path = header.path.with_name(signal.file)
            file = files[signal.file] = SignalFile(path, signal.fmt, signal.byte_offset, [], [], [])
        elif (file.fmt, file.byte_offset) != (signal.fmt, signal.byte_offset):
            raise UnreadableError(f"{header.path} gives {signal.file} two storage formats or byte offsets: correct it.")
        file.per_frame.append(signal.per_frame)
        file.rows.append(row)
        file.first.append(signal.first)
    n_frames, notes = header.n_frames, list[str]()
    for file in files.values():
        check_present(file.path, wanted_by=header.path)
        n_frames = (
            _check_flac(header, file, n_frames, notes)
            if file.fmt in FLAC_BITS
            else _check_size(header, file, n_frames, notes)
        )
    if not n_frames:
        raise UnreadableError(f"{header.path} is a record without samples: fetch or export it again.")
    for file in files.values():
        file.n_frames = n_frames
    for signal in header.signals:
        if signal.skew >= n_frames:
            raise UnreadableError(
                f"{header.path} shifts '{signal.name}' by {signal.skew} of the record's {n_frames} frames: correct the "
                "skew."
            )
    return list(files.values()), n_frames, notes


def _check_size(header: Header, file: SignalFile, n_frames: int | None, notes: list[str]) -> int:
    """Compare a file's size with the frames that are wanted of it; returns their number."""
    if file.fmt not in PACKINGS:
        raise UnreadableError(
            f"{header.path} gives {file.path.name} the storage format {file.fmt}, which WFDB does not define: "
            "correct it."
        )
    packing, width = PACKINGS[file.fmt], sum(file.per_frame)
    found = max(file.path.stat().st_size - file.byte_offset, 0)
    if n_frames is None:
        n_frames = packing.samples_in(found) // width
        notes.append(f"The header gives no length: {n_frames} frames follow from the size of its signal file.")
    if n_frames == 0 and found > 0:
        raise UnreadableError(
            f"{header.path} announces 0 samples, but {file.path.name} holds {found} bytes of them: write their number "
            "in its first line, or leave it out."
        )
    wanted = packing.bytes_for(n_frames * width)
    if found < wanted:
        raise UnreadableError(
            f"{file.path} is truncated: {found} bytes of signal found, {wanted} wanted by {header.path.name}: fetch it "
            "again."
        )
    if found > wanted + 4:  # formats that pack several samples may round up
        notes.append(
            f"A signal file holds {found} bytes of signal; only the {wanted} that the header announces are read."
        )
    return n_frames


def _check_flac(header: Header, file: SignalFile, n_frames: int | None, notes: list[str]) -> int:
    """Compare the head of a FLAC stream with the header; returns the frames that are wanted of it."""
    import soundfile

    n = file.per_frame[0]
    try:
        with file.path.open("rb") as raw:
            if raw.read(4) != b"fLaC":
                raise UnreadableError(f"{file.path} is not a FLAC stream, as {header.path.name} wants: fetch it again.")
        with soundfile.SoundFile(file.path) as stream:
            n_chans, bits, found = stream.channels, _SUBTYPES.get(stream.subtype, 99), stream.frames - file.byte_offset
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise UnreadableError(f"{file.path} cannot be decoded as FLAC ({error}): fetch it again.") from None
    if n_chans != len(file.rows) or bits > FLAC_BITS[file.fmt] or set(file.per_frame) != {n}:
        raise UnreadableError(
            f"{file.path} holds {n_chans} signals of one rate in {bits} bits, where {header.path.name} describes "
            f"{len(file.rows)} in format {file.fmt}: correct it."
        )
    if n_frames is None:
        n_frames = max(found, 0) // n
        notes.append(f"The header gives no length: {n_frames} frames follow from the size of its signal file.")
    if found < n_frames * n:
        raise UnreadableError(
            f"{file.path} is truncated: {found} samples per signal found, {n_frames * n} wanted by {header.path.name}: "
            "fetch it again."
        )
    return n_frames
