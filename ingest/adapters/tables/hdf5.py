"""Named arrays of HDF5 files, MATLAB 7.3 among them: read in parts, and never out of another file."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import h5py
import hdf5plugin  # noqa: F401  (registers the compression filters that its files use)
import numpy as np
from numpy.typing import NDArray

from biosig.errors import UnreadableError
from ingest.adapters.common.library_errors import translate_errors
from ingest.adapters.tables.array_readers import (
    MOST_IN_MEMORY,
    ArrayFile,
    Index,
    InMemory,
    Transposed,
    Variable,
    check_fits,
    check_numbers,
)
from ingest.decompress import check_shrinking

_MOST_NAMES = 1000  # listed for messages; a damaged file can nest without end
_MOST_DEPTH = 8
_HEAP = b"GCOL\x01\0\0\0"
_HEAP_HEADER = 16  # of a global heap and of each object in it
_HEAP_OBJECT = struct.Struct("<HH4xQ")  # index, references, size; index 0 is the space that is left, header included
_SCANNED_AT_ONCE = 2**24
_TEXT_PLACE = np.dtype([("length", "<u4"), ("heap", "<u8"), ("index", "<u4")])
_LONGEST_TEXT = 2**20
_LARGEST_CHUNK = 2**28
_MOST_WASTE = 8


class Hdf5File(ArrayFile):
    """``.h5``, or a ``.mat`` of version 7.3, whose axes are given in MATLAB's order.

    A variable goes by its path (``eeg/data``); ``eeg/data@fs`` and ``@fs`` are attributes. MATLAB's fields may be
    written with dots (``ECG.data``). Only hard links are followed.
    """

    def __init__(self, path: Path, matlab: bool = False) -> None:
        super().__init__(path)
        self._matlab = matlab
        self._heaps_are_sound = False
        with _opened(path):
            pass

    @property
    def names(self) -> list[str]:
        """Paths of its datasets, as far as hard links lead to them."""
        with _opened(self.path) as file:
            return [name for name, _ in zip(_datasets(file, "", 0), range(_MOST_NAMES), strict=False)]

    def _find(self, name: str) -> Variable:
        place, _, attribute = name.partition("@")
        if attribute or self._matlab:
            self._check_heaps()
        with _opened(self.path) as file:
            found = self._follow(file, place.replace(".", "/") if self._matlab else place, name)
            if attribute:
                if attribute not in found.attrs:
                    raise self.absent(name)
                return InMemory(_texts(np.asarray(found.attrs[attribute])))
            if not isinstance(found, h5py.Dataset):
                raise UnreadableError(
                    f"{self.path}: '{name}' is a group of {len(found)}, not an array: name one in it."
                )
            if found.dtype.kind == "O" or (self._matlab and found.attrs.get("MATLAB_class") in (b"char", b"cell")):
                return InMemory(self._read_texts(found, name))
            check_whole(found, self.path)
            variable = _Dataset(self.path, found)
        return Transposed(variable) if self._matlab else variable

    def _follow(self, file: h5py.File, place: str, name: str) -> Any:
        """The object at `place`, by hard links only: others may lead out of the file."""
        found: Any = file
        for part in filter(None, place.split("/")):
            link = found.get(part, getlink=True) if isinstance(found, h5py.Group) else None
            if link is None:
                raise self.absent(name)
            if not isinstance(link, h5py.HardLink):
                raise UnreadableError(
                    f"{self.path}: '{name}' is a link to somewhere else, which is not followed: name the dataset "
                    "itself, or copy it into this file."
                )
            found = found[part]
        return found

    def _read_texts(self, found: h5py.Dataset, name: str) -> NDArray[Any]:
        """A dataset of strings, or MATLAB's char array, or its cell array of them, as an array of str."""
        check_whole(found, self.path)
        check_fits(found.nbytes, f"{self.path}, '{name}'", "as numbers")
        self._check_heaps()
        if h5py.check_string_dtype(found.dtype) is not None:
            self._check_lengths(found)
            return np.asarray(found.asstr()[()], dtype=str)
        if found.attrs.get("MATLAB_class") == b"char":
            return _matlab_text(found)
        if h5py.check_ref_dtype(found.dtype) is h5py.Reference:
            cells = [found.file[reference] for reference in found[()].T.ravel() if reference]
            if cells and all(
                isinstance(cell, h5py.Dataset) and cell.attrs.get("MATLAB_class") == b"char" for cell in cells
            ):
                return np.array([str(_matlab_text(cell)) for cell in cells])
        raise UnreadableError(f"{self.path}: '{name}' holds neither numbers nor texts: save it as one of them.")

    def _check_heaps(self) -> None:
        """Check the heaps, which hold texts of any length, before HDF5 reads them: damage makes it loop without end.

        HDF5 2.0 follows an object of size 0 to itself. Format: HDF5 specification, III.E (global heap).
        """
        if self._heaps_are_sound:
            return
        with self.path.open("rb") as file:
            for start in _find_all(file, _HEAP):
                file.seek(start + len(_HEAP))
                size = int.from_bytes(file.read(8), "little")
                at, end = start + _HEAP_HEADER, start + size
                while at + _HEAP_HEADER <= end:
                    file.seek(at)
                    index, _, length = _HEAP_OBJECT.unpack(file.read(_HEAP_OBJECT.size).ljust(_HEAP_OBJECT.size))
                    if at + length > end or (index == 0 and length < _HEAP_HEADER):
                        raise UnreadableError(f"{self.path} is damaged where its texts are: fetch or export it again.")
                    at = end if index == 0 else at + _HEAP_HEADER + -(-length // 8) * 8
        self._heaps_are_sound = True

    def _check_lengths(self, found: h5py.Dataset) -> None:
        """Check the stated lengths of texts before HDF5 takes memory for them."""
        place, n = found.id.get_offset(), found.id.get_storage_size() // _TEXT_PLACE.itemsize
        if place is None or n != found.size:  # in chunks, or of fixed length
            return
        with self.path.open("rb") as file:
            file.seek(place)
            places = np.frombuffer(file.read(n * _TEXT_PLACE.itemsize), _TEXT_PLACE)
        if places["length"].max(initial=0) > _LONGEST_TEXT:
            raise UnreadableError(f"{self.path}: '{found.name}' announces endless texts: fetch or export it again.")


class _Dataset(Variable):
    """A dataset; of one in chunks, the chunks that were unpacked last are held, since neighbours are asked for next."""

    def __init__(self, path: Path, found: h5py.Dataset) -> None:
        super().__init__(found.shape, found.dtype)
        self._path, self._name, self._chunks = path, found.name, found.chunks
        self._held: tuple[Index, NDArray[Any]] | None = None

    def read(self, index: Index) -> NDArray[Any]:
        """A part; refused if far more would have to be unpacked for it than it is, over and over."""
        if self._chunks is None:
            return self._read(index)
        whole = tuple(
            slice(part.start // chunk * chunk, min(-(-part.stop // chunk) * chunk, size))
            for part, chunk, size in zip(index, self._chunks, self.shape, strict=True)
        )
        unpacked, asked = (math.prod(part.stop - part.start for part in parts) for parts in (whole, index))
        if unpacked * self.dtype.itemsize > MOST_IN_MEMORY:
            if unpacked > _MOST_WASTE * asked:
                raise UnreadableError(
                    f"{self._path}: '{self._name}' is packed in chunks of {self._chunks}, so that a part of {asked} "
                    f"numbers needs {unpacked} unpacked: repack it in smaller chunks (h5repack -l), or save it as .npy."
                )
            return self._read(index)
        if self._held is None or not all(
            a.start <= b.start and b.stop <= a.stop for a, b in zip(self._held[0], whole, strict=True)
        ):
            self._held = None  # not both at once
            self._held = whole, self._read(whole)
            self._held[1].flags.writeable = False
        origin, block = self._held
        return block[tuple(slice(b.start - a.start, b.stop - a.start) for a, b in zip(origin, index, strict=True))]

    def _read(self, index: Index) -> NDArray[Any]:
        with _opened(self._path) as file:
            return np.asarray(file[self._name][index])


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """The file, open whether or not its file system has locks."""
    with translate_errors("HDF5 file", path), h5py.File(path, "r", locking="best-effort") as file:
        yield file


def _find_all(file: IO[bytes], word: bytes) -> Iterator[int]:
    """Positions of `word` in a file; the file may be read elsewhere in between."""
    start, kept = 0, b""
    while True:
        file.seek(start)
        if not (block := file.read(_SCANNED_AT_ONCE)):
            return
        text, before = kept + block, start - len(kept)
        at = text.find(word)
        while at >= 0:
            yield before + at
            at = text.find(word, at + 1)
        start, kept = start + len(block), text[-len(word) + 1 :]


def _datasets(group: h5py.Group, prefix: str, depth: int) -> Iterator[str]:
    for key in group:
        if key.startswith("#") or not isinstance(group.get(key, getlink=True), h5py.HardLink):
            continue
        found = group[key]
        if isinstance(found, h5py.Dataset):
            yield prefix + key
        elif isinstance(found, h5py.Group) and depth < _MOST_DEPTH:
            yield from _datasets(found, f"{prefix}{key}/", depth + 1)


def check_whole(found: h5py.Dataset, path: Path) -> None:
    """Refuse a dataset whose numbers are in other files, were never written, or cannot be as many as announced."""
    if found.external or found.is_virtual:
        raise UnreadableError(
            f"{path}: '{found.name}' keeps its numbers in other files, which are not opened: copy it into this file "
            "(h5repack)."
        )
    if found.shape is None or found.dtype.kind == "O":
        return
    check_numbers(found.dtype, f"{path}: '{found.name}'")
    stored = found.id.get_storage_size()
    if found.chunks is None:
        n, wanted = int(stored >= found.nbytes), 1
    else:
        n = found.id.get_num_chunks()
        wanted = math.prod(-(-size // chunk) for size, chunk in zip(found.shape, found.chunks, strict=True))
    if n < wanted:
        raise UnreadableError(
            f"{path}: '{found.name}' of shape {found.shape} was never written in full ({n} of its {wanted} parts are "
            "there): export it again."
        )
    chunk_bytes = math.prod(found.chunks or ()) * found.dtype.itemsize
    check_shrinking(found.nbytes, path.stat().st_size, f"{path}: '{found.name}' of shape {found.shape}")
    if chunk_bytes > _LARGEST_CHUNK:
        raise UnreadableError(
            f"{path}: '{found.name}' of shape {found.shape} unpacks {stored} bytes to {found.nbytes}, in parts of "
            f"{chunk_bytes}: that is not a recording; export it with smaller chunks, or fetch it again."
        )


def _texts(array: NDArray[Any]) -> NDArray[Any]:
    """Byte strings as str, numbers as they are."""
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8", "replace")
    if array.dtype.kind == "O":
        return np.array([x.decode("utf-8", "replace") if isinstance(x, bytes) else str(x) for x in array.ravel()])
    return array


def _matlab_text(found: h5py.Dataset) -> NDArray[Any]:
    """MATLAB's char array (UTF-16 codes, transposed) as one str, or one per row."""
    if found.attrs.get("MATLAB_empty", 0) or found.size > 2**20:
        return np.array("")
    codes = found[()]
    rows = ["".join(map(chr, row)).rstrip() for row in np.atleast_2d(codes.T).astype(int)]
    return np.array(rows[0] if len(rows) == 1 else rows)
