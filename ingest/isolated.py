"""Readers that can end the interpreter: they work in a process of their own and hand the recording over as a shard.

A C library that meets a damaged file may abort, hang or take all memory. Here it takes only itself along. The shard
is the project's own format, so that nothing is unpickled and the samples need not fit into memory.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import weakref
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from biosig.errors import BiosigError, UnreadableError
from biosig.lazy import LazySamples
from biosig.recording import Recording
from biosig.shards import ShardWriter
from biosig.shards.reader import open_shard

log = logging.getLogger(__name__)

_CPU_SECONDS = 10
_SECONDS = 120
"""On a busy machine much time passes in which a process does not run."""
_BYTES_PER_SECOND = 2**20
"""Time that a file's size adds to both limits; a sound reader takes a tenth of it."""
_MEMORY = 2 * 2**30
_MEMORY_PER_BYTE = 8
"""Readers without a lazy mode hold a file several times over."""
_REFUSED = 3
_SENTENCE = "sentence.txt"


class Unguarded(Protocol):
    """An adapter whose readers need isolation."""

    def read_here(self, path: Path) -> Recording:
        """Read one recording in this process."""


def read_isolated(adapter: type[Unguarded], path: Path, lazy: bool = False) -> Recording:
    """Read one recording with `adapter`, a class of a module's top level, in a process of its own.

    Raises
    ------
    UnreadableError
        If the reader refuses the file, ends, or needs more time or memory than a file of its size should.
    """
    folder = _Folder()
    try:
        shard = folder.path / "0.h5"
        _run(adapter, path, shard)
        recording = open_shard(str(shard)).read(0, lazy=lazy)
    except BaseException:
        folder.remove()
        raise
    if lazy:
        for stream in recording.streams:
            stream.samples = _Held(stream.samples, folder)
    return recording


class _Folder:
    """A temporary folder that goes with the last reference to it."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="biosig-"))
        self.remove = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def _run(adapter: type[Unguarded], path: Path, shard: Path) -> None:
    """Have the recording written to `shard` by a process that is ended if it takes too much."""
    size = path.stat().st_size
    extra = size // _BYTES_PER_SECOND
    limits = [str(_CPU_SECONDS + extra), str(_MEMORY + _MEMORY_PER_BYTE * size)]
    told = [adapter.__module__, adapter.__qualname__, str(path), str(shard), *limits]
    try:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "ingest.isolated", *told],
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS + extra,
        )
    except subprocess.TimeoutExpired:
        raise _gone(path, "took too long over it") from None
    if done.returncode == _REFUSED:
        raise UnreadableError(shard.with_name(_SENTENCE).read_text(encoding="utf-8"))
    if done.returncode != 0:
        log.debug("the reader of %s said: %s", path, done.stderr.decode("utf-8", errors="replace"))
        raise _gone(path, f"ended with status {done.returncode}")


class _Held(LazySamples):
    """Samples in a shard that lies in a temporary folder."""

    def __init__(self, samples: NDArray[Any] | LazySamples, folder: _Folder) -> None:
        super().__init__((samples.shape[0], samples.shape[1]), samples.dtype)
        self._samples, self._folder = samples, folder

    def read(self, start: int, stop: int) -> NDArray[Any]:
        return self._samples[:, start:stop]


def _gone(path: Path, how: str) -> UnreadableError:
    return UnreadableError(
        f"{path} cannot be read: the vendor's reader {how}, which a damaged file can cause; export it again, to EDF or "
        "BrainVision if that fails too."
    )


def _limit(cpu_seconds: int, memory: int) -> None:
    if sys.platform == "win32":  # has no such limits; the time on the clock is watched from outside
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _main(module: str, name: str, path: Path, shard: Path) -> int:
    adapter: Unguarded = getattr(import_module(module), name)()
    try:
        with ShardWriter(shard, {}) as writer:
            writer.add(adapter.read_here(path))
    except (BiosigError, MemoryError) as error:
        needy = f"{path} needs more memory than a file of its size should: it is damaged, fetch or export it again."
        sentence = str(error) if isinstance(error, BiosigError) else needy
        shard.with_name(_SENTENCE).write_text(sentence, encoding="utf-8")
        return _REFUSED
    return 0


if __name__ == "__main__":
    _limit(int(sys.argv[5]), int(sys.argv[6]))
    sys.exit(_main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])))
