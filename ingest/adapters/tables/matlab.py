"""Named arrays of MATLAB files: versions 4 to 7 through SciPy, 7.3 as the HDF5 that it is."""

from __future__ import annotations

import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from numpy.typing import NDArray

from biosig.errors import UnreadableError
from ingest.adapters.common.library_errors import translate_errors
from ingest.adapters.common.subprocess_reader import call_isolated
from ingest.adapters.tables.array_readers import MOST_IN_MEMORY, ArrayFile, InMemory, Variable, check_fits
from ingest.adapters.tables.hdf5 import Hdf5File
from ingest.decompress import FREE, check_shrinking

_HDF5 = b"\x89HDF\r\n\x1a\n"
_HDF5_AT = 512  # MATLAB puts a header of its own before it
_MOST_CELLS = 10**6
_BYTES_PER_ELEMENT = {
    "double": 8,
    "single": 4,
    "int64": 8,
    "uint64": 8,
    "int32": 4,
    "uint32": 4,
    "int16": 2,
    "uint16": 2,
}
_MOST_DEFLATE = 1032  # zlib cannot shrink more than this


def open_matlab(path: Path) -> ArrayFile:
    """A ``.mat`` file of any version."""
    with path.open("rb") as file:
        file.seek(_HDF5_AT)
        if file.read(len(_HDF5)) == _HDF5:
            return Hdf5File(path, matlab=True)
        file.seek(0)
        if file.read(len(_HDF5)) == _HDF5:
            return Hdf5File(path, matlab=True)
    return MatlabFile(path)


class MatlabFile(ArrayFile):
    """A ``.mat`` of version 4 to 7; ``ECG.data`` is a field of a struct. It is read as a whole, so it must be small."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        size = path.stat().st_size
        unpacked = _unpacked_size(path) if size * _MOST_DEFLATE > FREE else 0
        check_shrinking(unpacked, size, path)
        if max(size, unpacked) > MOST_IN_MEMORY:
            raise UnreadableError(
                f"{path} unpacks to more than {MOST_IN_MEMORY / 2**30:.0f} GiB: save it with -v7.3, which is read in "
                "parts."
            )
        self._listed = call_isolated(list_variables, path)
        self._loaded: dict[str, Any] = {}

    @property
    def names(self) -> list[str]:
        """Its variables; the fields of structs are not listed."""
        return [name for name, *_ in self._listed if not name.startswith("__")]

    def _find(self, name: str) -> Variable:
        top, *fields = name.split(".")
        array = self._load(top, name)
        for field in fields:
            if array.dtype.names is None or field not in array.dtype.names or array.size != 1:
                raise self.absent(name)
            array = np.asarray(array[field].item())
        if array.dtype.names is not None:
            raise UnreadableError(
                f"{self.path}: '{name}' is a struct of {', '.join(array.dtype.names)}: name one field, such as "
                f"{name}.{array.dtype.names[0]}."
            )
        return InMemory(_cells(array, self.path, name) if array.dtype.kind == "O" else array)

    def _load(self, top: str, name: str) -> NDArray[Any]:
        if top not in self.names:
            raise self.absent(name)
        if top not in self._loaded:
            _, shape, kind = next(entry for entry in self._listed if entry[0] == top)
            n = math.prod(shape)
            check_fits(n * _BYTES_PER_ELEMENT.get(kind, 1), f"{self.path}, '{top}'", "with -v7.3")
            if n > _MOST_CELLS and kind in ("cell", "struct", "object"):
                raise UnreadableError(f"{self.path}: '{top}' is a {kind} of {n} elements: save an array of numbers.")
            call_isolated(try_variable, self.path, top)
            with translate_errors("MATLAB file", self.path):
                self._loaded = {top: scipy.io.loadmat(self.path, variable_names=[top])[top]}
        return np.asarray(self._loaded[top])


def list_variables(path: Path) -> list[tuple[str, tuple[int, ...], str]]:
    """Name, shape and class of each variable."""
    with translate_errors("MATLAB file", path):
        return scipy.io.whosmat(path)


def try_variable(path: Path, name: str) -> None:
    """Load a variable where it can do no harm: SciPy can end the interpreter over a damaged file."""
    with translate_errors("MATLAB file", path):
        scipy.io.loadmat(path, variable_names=[name])


def _cells(array: NDArray[Any], path: Path, name: str) -> NDArray[Any]:
    """A cell array of texts as an array of str."""
    texts = [np.asarray(cell) for cell in array.ravel(order="F")]
    if not all(text.dtype.kind == "U" and text.size <= 1 for text in texts):
        raise UnreadableError(f"{path}: '{name}' is a cell array of other things than texts: save an array of numbers.")
    return np.array([str(text.item()) if text.size else "" for text in texts])


def _unpacked_size(path: Path) -> int:
    """Bytes of all compressed elements of a version-5 file, counted no further than is still readable."""
    total = 0
    with path.open("rb") as file:
        header = file.read(128)
        order: Any = "little" if header[126:128] == b"IM" else "big"
        while len(tag := file.read(8)) == 8 and total <= MOST_IN_MEMORY:
            kind, size = int.from_bytes(tag[:4], order), int.from_bytes(tag[4:], order)
            if kind != 15:  # miCOMPRESSED
                total += size
                file.seek(size, 1)
                continue
            end, unpack = file.tell() + size, zlib.decompressobj()
            while file.tell() < end and total <= MOST_IN_MEMORY and (block := file.read(min(2**16, end - file.tell()))):
                try:
                    total += len(unpack.decompress(block))  # at most 64 MB at once
                except zlib.error:
                    break
            file.seek(end)
    return total
