"""A file that HDF5 may write to although the disk is full.

HDF5 cannot give up a file that it cannot finish: where a write fails, closing the file fails too, and the process
crashes at the next garbage collection or at its end (seen with HDF5 1.14). So it writes through `FullDiskFile`, which
keeps bytes that the disk refuses in memory, and the error for the writer of the shard to raise. An interrupt that comes
while HDF5 writes is such an error, too.
"""

from __future__ import annotations

import os
from pathlib import Path


class FullDiskFile:
    """A new file for ``h5py.File(…)``; after the first error nothing more reaches the disk.

    Parameters
    ----------
    path : Path
        Must not exist.
    """

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        self._position = 0
        self._size = 0
        self._error: BaseException | None = None
        self._refused: list[tuple[int, bytes]] = []

    def check(self) -> None:
        """Raise the error of the first write that failed.

        Raises
        ------
        OSError
        """
        if isinstance(self._error, OSError):
            raise OSError(self._error.errno, self._error.strerror)
        if self._error is not None:
            raise self._error

    def write(self, data: memoryview) -> int:
        """Write at the present position."""
        wanted = memoryview(data).cast("B")
        done = 0
        try:
            while self._error is None and done < len(wanted):
                done += os.pwrite(self._handle, wanted[done:], self._position + done)
        except BaseException as error:  # an interrupt as well: HDF5 must not see it
            self._error = error
        if done < len(wanted):
            self._refused.append((self._position + done, wanted[done:].tobytes()))
        self._position += len(wanted)
        self._size = max(self._size, self._position)
        return len(wanted)

    def readinto(self, buffer: memoryview) -> int:
        """Read from the present position; bytes that were never written are zero."""
        out = memoryview(buffer).cast("B")
        found = os.pread(self._handle, len(out), self._position)
        out[:] = found.ljust(len(out), b"\0")
        for start, data in self._refused:
            first, stop = max(start, self._position), min(start + len(data), self._position + len(out))
            if first < stop:
                out[first - self._position : stop - self._position] = data[first - start : stop - start]
        self._position += len(out)
        return len(out)

    def read(self, size: int) -> bytes:
        """The next bytes, as `readinto`; h5py knows a file by this method."""
        buffer = bytearray(size)
        self.readinto(memoryview(buffer))
        return bytes(buffer)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position and return it."""
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        return self._position

    def tell(self) -> int:
        """The present position."""
        return self._position

    def truncate(self, size: int) -> int:
        """Set the file's length."""
        try:
            if self._error is None:
                os.ftruncate(self._handle, size)
        except BaseException as error:
            self._error = error
        self._size = size
        return size

    def flush(self) -> None:
        """Nothing waits here."""

    def sync(self) -> None:
        """See to it that all is on the disk.

        Raises
        ------
        OSError
            If a write failed, or this does.
        """
        self.check()
        os.fsync(self._handle)

    def close(self) -> None:
        """Give the file back to the system."""
        os.close(self._handle)
