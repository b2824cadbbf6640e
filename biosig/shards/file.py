"""A shard as an HDF5 file: columns of numbers and texts that lie in its own bytes, and errors that name it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  (registers the Blosc2 filter)
import numpy as np
from numpy.typing import NDArray

from biosig.errors import DataError, UnreadableError
from biosig.shards import spec


class ShardFile:
    """An open file of the format; knows datasets, not their meaning.

    Raises
    ------
    DataError
        If the file does not exist.
    UnreadableError
        If it is truncated, no shard, or of a version that this software does not know.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        with self.naming():
            # A random window seldom meets the chunk of the one before it: a chunk cache would only cost a copy.
            self._file = h5py.File(path, "r", locking=False, rdcc_nbytes=0)
            self._check_version()

    def _check_version(self) -> None:
        attrs = self._file.attrs
        if "format" not in attrs or bytes(attrs["format"]) != spec.FORMAT.encode():
            raise UnreadableError(f"{self.path} is an HDF5 file but no {spec.FORMAT}: move it out of the folder.")
        version = int(attrs["version"])
        if version > spec.VERSION:
            raise UnreadableError(
                f"{self.path} is a {spec.FORMAT} of version {version} and this software reads up to version "
                f"{spec.VERSION}: update biosig-fm."
            )
        if version < spec.VERSION:
            raise UnreadableError(
                f"{self.path} is a {spec.FORMAT} of version {version}, from before the first release: ingest its "
                f"recordings again."
            )

    def __contains__(self, name: str) -> bool:
        """True if the file has such a dataset; for those that older shards lack."""
        return name in self._file

    def dataset(self, name: str) -> h5py.h5d.DatasetID:
        """A dataset whose bytes are in this very file: links out of it, and storage out of it, are refused.

        Low-level, since a shard has two dozen columns and h5py's own way takes most of the time of opening one.
        """
        node = self._file.id
        for part in name.encode().split(b"/"):
            if not node.links.exists(part) or node.links.get_info(part).type != h5py.h5l.TYPE_HARD:
                raise UnreadableError(f"{self.path} has no {name} of its own: ingest its recordings again.")
            node = h5py.h5o.open(node, part)
        stored = node.get_create_plist()
        if stored.get_external_count() or stored.get_layout() == h5py.h5d.VIRTUAL:
            raise UnreadableError(f"{self.path} keeps {name} in another file: only self-contained shards are read.")
        return node

    def numbers(self, name: str) -> NDArray[Any]:
        """A whole dataset."""
        dataset = self.dataset(name)
        values = np.empty(dataset.shape, dataset.dtype)
        if values.size:
            dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
        return values

    def column(self, name: str, dtype: type[np.int64] | type[np.float64]) -> memoryview[Any]:
        """A whole column of numbers, eight bytes each, which gives Python's own when it is indexed."""
        values = self.numbers(name)
        if values.ndim != 1:
            raise self.contradiction(name)
        return values.astype(dtype, casting="safe").data

    def text(self, name: str) -> Any:
        """A text column, or a text, parsed from its JSON."""
        return json.loads(self.numbers(name).tobytes())

    def contradiction(self, name: str) -> UnreadableError:
        """The error to raise if a dataset contradicts the others."""
        return UnreadableError(f"{self.path} contradicts itself in {name}: ingest its recordings again.")

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Turns whatever a damaged or crafted file makes HDF5, JSON or NumPy say into one error that names the file."""
        try:
            yield
        except DataError:
            raise
        except FileNotFoundError:
            raise DataError(f"{self.path} does not exist: restore the shard or rebuild the index.") from None
        except (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, MemoryError) as error:
            raise UnreadableError(
                f"{self.path} cannot be read as a shard ({error}): it is truncated, damaged or foreign; restore it "
                f"from a copy or ingest its recordings again."
            ) from None
