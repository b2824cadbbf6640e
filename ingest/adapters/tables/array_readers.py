"""Named arrays of a file, read in parts where the format gives that cheaply: NumPy, raw numbers, Parquet.

MATLAB and HDF5 files are in modules of their own; `ingest.adapters.tables.array_files` chooses. Nothing here unpickles,
and nothing believes a size that a header announces before the file's own size bears it out.
"""

from __future__ import annotations

import math
import struct
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from biosig.errors import UnreadableError
from ingest.adapters.common.library_errors import translate_errors
from ingest.decompress import check_shrinking

MOST_IN_MEMORY = 2**30
"""Bytes of an array that is read as a whole; larger ones must come in a format that is read in parts."""
_READ_AT_ONCE = 2**24
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # of a zip member: signature, …, lengths of its name and extra field

Index = tuple[slice, ...]


class Variable(ABC):
    """An array that is read by parts.

    Parameters
    ----------
    shape : tuple of int
        Its shape.
    dtype : dtype
        The type of its numbers in the file.
    """

    in_memory = False

    def __init__(self, shape: Sequence[int], dtype: Any) -> None:
        self.shape = tuple(int(n) for n in shape)
        self.dtype = np.dtype(dtype)

    @property
    def nbytes(self) -> int:
        """Bytes of the whole array."""
        return math.prod(self.shape) * self.dtype.itemsize

    @abstractmethod
    def read(self, index: Index) -> NDArray[Any]:
        """The part that one slice per axis, with bounds and without steps, cuts out."""

    def whole(self) -> NDArray[Any]:
        """All of it, whatever its size."""
        return self.read(tuple(slice(0, n) for n in self.shape))


class InMemory(Variable):
    """An array that is in memory already."""

    in_memory = True

    def __init__(self, array: NDArray[Any]) -> None:
        super().__init__(array.shape, array.dtype)
        self._array = array

    def read(self, index: Index) -> NDArray[Any]:
        """A view of it."""
        return self._array[index]


class InFile(Variable):
    """Bare numbers in C order from byte `start` of a file; nothing is kept open, and no pages are mapped.

    Raises
    ------
    UnreadableError
        If the file is too short for the shape, or the type is not one of numbers.
    """

    def __init__(self, path: Path, start: int, shape: Sequence[int], dtype: Any) -> None:
        super().__init__(shape, dtype)
        check_numbers(self.dtype, path)
        size = path.stat().st_size
        if start + self.nbytes > size:
            raise UnreadableError(
                f"{path} announces an array of shape {self.shape}, {self.nbytes} bytes, but holds {size - start}: it "
                "is cut short or damaged; fetch it again."
            )
        self._path, self._start = path, start

    def read(self, index: Index) -> NDArray[Any]:
        """A part; many small pieces of a file are read as one larger piece."""
        with self._path.open("rb") as file:
            return self._read(file, self._start, self.shape, index)

    def _read(self, file: IO[bytes], start: int, shape: tuple[int, ...], index: Index) -> NDArray[Any]:
        if not shape:
            return self._numbers(file, start, 1).reshape(())
        first, inner = index[0], shape[1:]
        step = math.prod(inner)
        n = first.stop - first.start
        here = start + first.start * step * self.dtype.itemsize
        wanted = math.prod(part.stop - part.start for part in index[1:])
        if wanted == step or n * step * self.dtype.itemsize <= _READ_AT_ONCE:
            block = self._numbers(file, here, n * step).reshape(n, *inner)
            return block[(slice(None), *index[1:])]
        if step * self.dtype.itemsize <= _READ_AT_ONCE:
            out = np.empty((n, *(part.stop - part.start for part in index[1:])), self.dtype)
            rows = max(_READ_AT_ONCE // (step * self.dtype.itemsize), 1)
            for row in range(0, n, rows):
                part = (slice(first.start + row, first.start + min(row + rows, n)), *index[1:])
                out[row : row + rows] = self._read(file, start, shape, part)
            return out
        size = step * self.dtype.itemsize
        return np.stack([self._read(file, here + row * size, inner, index[1:]) for row in range(n)])

    def _numbers(self, file: IO[bytes], start: int, count: int) -> NDArray[Any]:
        file.seek(start)
        raw = file.read(count * self.dtype.itemsize)
        if len(raw) < count * self.dtype.itemsize:
            raise UnreadableError(f"{self._path} became shorter while it was read: fetch it again.")
        return np.frombuffer(raw, self.dtype)


class Transposed(Variable):
    """Another variable with its axes in reverse order: Fortran order on disk is C order of the transpose."""

    def __init__(self, other: Variable) -> None:
        super().__init__(other.shape[::-1], other.dtype)
        self.in_memory = other.in_memory
        self._other = other

    def read(self, index: Index) -> NDArray[Any]:
        """The same part of the other, transposed."""
        return self._other.read(index[::-1]).T


class ArrayFile(ABC):
    """A file of named arrays."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._found: dict[str, Variable] = {}

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """Names of the variables, for messages; a file of one array without a name has none."""

    @abstractmethod
    def _find(self, name: str) -> Variable: ...

    def find(self, name: str) -> Variable:
        """The variable `name`.

        Raises
        ------
        UnreadableError
            If there is none, or it cannot be read.
        """
        if name not in self._found:
            self._found[name] = self._find(name)
        return self._found[name]

    def only(self) -> Variable:
        """The file's only array."""
        if len(self.names) != 1:
            raise UnreadableError(
                f"{self.path} holds {len(self.names)} arrays ({', '.join(self.names[:8])}): say in the mapping which "
                "one is meant (name)."
            )
        return self.find(self.names[0])

    def absent(self, name: str) -> UnreadableError:
        """The error to raise for a variable that is not there."""
        has = f"it has {', '.join(self.names[:12])}" if self.names else "its one array has no name"
        return UnreadableError(f"{self.path} has no variable '{name}'; {has}: correct the mapping.")


class Lists(Variable):
    """A column whose cells are lists of numbers, of any lengths, or lists of lists: each row is an array.

    Parameters
    ----------
    column : pyarrow array of lists
        In memory.
    where : str
        File and column, for messages.
    """

    in_memory = True

    def __init__(self, column: pa.ListArray, where: str) -> None:
        super().__init__((len(column),), np.object_)
        self._column, self._where = column, where

    def __len__(self) -> int:
        return len(self._column)

    def read(self, index: Index) -> NDArray[Any]:  # noqa: ARG002
        """Refused: rows are arrays of their own."""
        raise UnreadableError(f"{self._where} holds a list in each cell: write records: rows in the mapping.")

    def row(self, index: int) -> Variable:
        """The array in one cell.

        Raises
        ------
        UnreadableError
            If the cell is empty, or its lists differ in length or hold no numbers.
        """
        cell = self._column[index].values
        if cell is None or not len(cell):
            raise UnreadableError(f"{self._where} row {index} holds no sample: leave the row out.")
        if pa.types.is_list(cell.type) or pa.types.is_large_list(cell.type) or pa.types.is_fixed_size_list(cell.type):
            try:
                array = np.array([np.asarray(part.values.to_numpy(zero_copy_only=False)) for part in cell])
            except (ValueError, AttributeError):
                raise UnreadableError(f"{self._where} row {index} holds lists of different lengths.") from None
        else:
            array = cell.to_numpy(zero_copy_only=False)
        if array.dtype.kind not in "iufb":
            raise UnreadableError(f"{self._where} row {index} holds {cell.type}, not numbers.")
        return InMemory(array)


class NpyFile(ArrayFile):
    """``.npy``: one array without a name."""

    names: ClassVar[list[str]] = []

    def _find(self, name: str) -> Variable:
        raise self.absent(name)

    def only(self) -> Variable:
        """Its array."""
        with self.path.open("rb") as file:
            shape, fortran, dtype = npy_header(file, self.path)
            return in_order(self.path, file.tell(), shape, dtype, fortran)


class RawFile(ArrayFile):
    """Bare numbers in the given shape, of which one axis may be -1: as long as the file is."""

    names: ClassVar[list[str]] = []

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: str, skip: int) -> None:
        super().__init__(path)
        row = -math.prod(shape) * np.dtype(dtype).itemsize
        n, rest = divmod(path.stat().st_size - skip, row)
        if rest or n < 1:
            raise UnreadableError(
                f"{path} holds {path.stat().st_size - skip} bytes after its header, no multiple of the {row} that a "
                "moment takes: it is cut short, or raw (dtype, skip) or the list of channels is wrong."
            )
        self._shape, self._dtype, self._skip = tuple(n if size == -1 else size for size in shape), dtype, skip

    def _find(self, name: str) -> Variable:
        raise self.absent(name)

    def only(self) -> Variable:
        """All its numbers."""
        return InFile(self.path, self._skip, self._shape, self._dtype)


class NpzFile(ArrayFile):
    """``.npz``: a zip of ``.npy``; uncompressed members are read in place."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with translate_errors("NumPy archive", path), zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        self._members = {info.filename.removesuffix(".npy"): info for info in members}

    @property
    def names(self) -> list[str]:
        """Its members."""
        return list(self._members)

    def _find(self, name: str) -> Variable:
        info = self._members.get(name)
        if info is None:
            raise self.absent(name)
        with (
            translate_errors("NumPy archive", f"{self.path}, variable '{name}',"),
            zipfile.ZipFile(self.path) as archive,
            archive.open(info) as member,
        ):
            shape, fortran, dtype = npy_header(member, self.path)
            start = member.tell()
            if info.compress_type == zipfile.ZIP_STORED:
                return in_order(self.path, self._data_start(info) + start, shape, dtype, fortran)
            nbytes = math.prod(shape) * dtype.itemsize
            check_fits(nbytes, f"{self.path}, variable '{name}'", "without compression (numpy.savez)")
            check_shrinking(nbytes, self.path.stat().st_size, f"{self.path}, variable '{name}',")
            raw = member.read(nbytes + 1)  # zipfile stops at the size that the archive announces
        if len(raw) != nbytes:
            raise UnreadableError(f"{self.path} is damaged at '{name}': its size is not that of its shape {shape}.")
        variable = InMemory(np.frombuffer(raw, dtype).reshape(shape[::-1] if fortran else shape))
        return Transposed(variable) if fortran else variable

    def _data_start(self, info: zipfile.ZipInfo) -> int:
        with self.path.open("rb") as file:
            file.seek(info.header_offset)
            _, n_name, n_extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
        return info.header_offset + _LOCAL_HEADER.size + int(n_name) + int(n_extra)


class ParquetFile(ArrayFile):
    """``.parquet``: each column of numbers or texts is a variable; a null is NaN."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with translate_errors("Parquet file", path):
            self._file = pq.ParquetFile(path)

    @property
    def names(self) -> list[str]:
        """Its columns."""
        return list(self._file.schema_arrow.names)

    def _find(self, name: str) -> Variable:
        if name not in self.names:
            raise self.absent(name)
        where = f"{self.path}, column '{name}',"
        kind = self._file.schema_arrow.field(name).type
        lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
        size = self._unpacked(name) if lists else 8 * self._file.metadata.num_rows
        check_shrinking(size, self.path.stat().st_size, where)
        check_fits(size, where, "as .npy or HDF5")
        with translate_errors("Parquet file", where):
            column = self._file.read([name], use_threads=False)[name]
            return Lists(column.combine_chunks(), where) if lists else InMemory(column.to_numpy())

    def _unpacked(self, name: str) -> int:
        """Bytes of a column of lists, as the file's metadata state them."""
        metadata = self._file.metadata
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
        return sum(c.total_uncompressed_size for c in chunks if c.path_in_schema.split(".")[0] == name)


def npy_header(file: IO[bytes], path: Path) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, True for Fortran order, and type from the head of a ``.npy``; no more than that is read."""
    with translate_errors("NumPy file", path):
        version = np.lib.format.read_magic(file)
        reader = np.lib.format.read_array_header_1_0 if version[0] == 1 else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = reader(file)
    if dtype.hasobject:
        raise UnreadableError(
            f"{path} holds pickled Python objects, which are never loaded: save it as an array of numbers or of texts "
            "(dtype=str)."
        )
    if dtype.names is not None:
        raise UnreadableError(
            f"{path} holds records with fields: save each field as an array of its own (numpy.savez)."
        )
    if any(n < 0 for n in shape):
        raise UnreadableError(f"{path} announces the shape {shape}: it is damaged; fetch it again.")
    return shape, fortran, dtype


def in_order(path: Path, start: int, shape: tuple[int, ...], dtype: Any, fortran: bool) -> Variable:
    """Numbers of a file as a variable, whether the last or the first axis is contiguous."""
    if dtype.kind == "U":  # texts are few: names of channels and labels
        check_fits(math.prod(shape) * dtype.itemsize, f"{path}", "with shorter texts")
    return Transposed(InFile(path, start, shape[::-1], dtype)) if fortran else InFile(path, start, shape, dtype)


def check_numbers(dtype: np.dtype[Any], where: object) -> None:
    """Refuse types that are neither numbers nor texts."""
    if dtype.kind not in "iufbUS" or (dtype.kind == "f" and dtype.itemsize > 8):
        raise UnreadableError(f"{where} holds {dtype}: save real numbers of at most 64 bits.")


def check_fits(nbytes: int, where: str, instead: str) -> None:
    """Refuse an array that would have to be in memory as a whole and is too large for it."""
    if nbytes > MOST_IN_MEMORY:
        raise UnreadableError(
            f"{where} unpacks to {nbytes / 2**30:.1f} GiB at once, more than {MOST_IN_MEMORY / 2**30:.0f}: save it "
            f"{instead}, which is read in parts."
        )
