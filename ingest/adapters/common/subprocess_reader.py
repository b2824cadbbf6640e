"""Readers that can end the interpreter: they work in a process of their own and hand the recording over as a shard.

A C library that meets a damaged file may abort, hang or take all memory. Here it takes only itself along. The shard
is the project's own format, so that nothing is unpickled and the samples need not fit into memory; all else that comes
over is JSON. The process is kept for the next file, since starting one takes longer than most files do.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from biosig.errors import BiosigError, UnreadableError
from biosig.lazy_samples import LazySamples
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
_FILES_PER_PROCESS = 100
"""Files per process: a library's leaks from file to file must not add up to the limit."""


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
        call_isolated(read_to_shard, path, str(shard), adapter.__module__, adapter.__qualname__)
        recording = open_shard(str(shard)).read(0, lazy=lazy)
    except BaseException:
        folder.remove()
        raise
    if lazy:
        for stream in recording.streams:
            stream.samples = _Held(stream.samples, folder)
    recording.source = replace(recording.source, path=str(path))
    return recording


def read_to_shard(path: Path, shard: str, module: str, name: str) -> None:
    """Read one recording and write it as a shard: the part of `read_isolated` that runs in the other process."""
    adapter: Unguarded = getattr(import_module(module), name)()
    with ShardWriter(Path(shard), {}) as writer:
        writer.add(adapter.read_here(path))


def call_isolated(function: Callable[..., Any], path: Path, *arguments: Any) -> Any:
    """`function(path, *arguments)` in a process of its own.

    Parameters
    ----------
    function : callable
        Of a module's top level.
    path : Path
        The file that it reads.
    arguments, and the return value
        Values that JSON knows; tuples come back as lists.

    Raises
    ------
    UnreadableError
        If the function refuses the file, ends the process, or needs more time or memory than a file of its size should.
    """
    return _reader.call(function, path, arguments)


class _Folder:
    """A temporary folder that goes with the last reference to it."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="biosig-"))
        self.remove = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


class _Held(LazySamples):
    """Samples in a shard that lies in a temporary folder."""

    def __init__(self, samples: NDArray[Any] | LazySamples, folder: _Folder) -> None:
        super().__init__((samples.shape[0], samples.shape[1]), samples.dtype)
        self._samples, self._folder = samples, folder

    def read(self, start: int, stop: int) -> NDArray[Any]:
        return self._samples[:, start:stop]


class _Reader:
    """The process that reads: one line of JSON in for each file, one out; started when it is wanted."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._n_files = 0
        self._lock = threading.Lock()

    def call(self, function: Callable[..., Any], path: Path, arguments: Sequence[Any]) -> Any:
        """See `call_isolated`."""
        size = path.stat().st_size
        extra = size // _BYTES_PER_SECOND
        request = {
            "function": [function.__module__, function.__qualname__],
            "path": os.path.abspath(path),
            "arguments": arguments,
            "cpu_seconds": _CPU_SECONDS + extra,
            "memory": _MEMORY + _MEMORY_PER_BYTE * size,
        }
        with self._lock:
            answer = self._ask(request, _SECONDS + extra)
            if answer is None:
                raise UnreadableError(
                    f"{path} cannot be read: its reader {self._end()}, which a damaged file can cause; export it "
                    "again, in another format if that fails too."
                )
            self._n_files += 1
            if answer["spent"] or self._n_files >= _FILES_PER_PROCESS:
                self._end()
        if answer["refused"]:
            raise UnreadableError(answer["refused"])
        return answer["value"]

    def _ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any] | None:
        """The answer, or None where none comes."""
        process = self._process = self._process or _start()
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        if sys.platform != "win32" and not select.select([process.stdout], [], [], seconds)[0]:
            return None
        line = process.stdout.readline()
        return json.loads(line) if line.endswith(b"\n") else None

    def _end(self) -> str:
        """End the process, and say how it ended."""
        process, self._process, self._n_files = self._process, None, 0
        assert process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=1)  # closes its input, at which it ends
        if process.poll() is None:
            process.kill()
            process.communicate()
            return "took too long over it"
        return f"ended with status {process.returncode}"

    def close(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._end()

    def forget(self) -> None:
        """Leave the process to the parent that it belongs to."""
        self.__init__()  # type: ignore[misc]


def _start() -> subprocess.Popen[bytes]:
    places = os.pathsep.join(place for place in sys.path if place)
    return subprocess.Popen(
        [sys.executable, "-m", "ingest.adapters.common.subprocess_reader"],
        env={**os.environ, "PYTHONPATH": places, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


_reader = _Reader()
atexit.register(_reader.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reader.forget)


def _limit(cpu_seconds: int, memory: int) -> None:
    """Limit this process to so many more seconds of CPU time, and to so many bytes of memory in all."""
    if sys.platform == "win32":  # has no such limits
        return
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    until = int(used.ru_utime + used.ru_stime) + 1 + cpu_seconds
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_AS, (memory, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    module, name = request["function"]
    path = Path(request["path"])
    function = getattr(import_module(module), name)
    _limit(request["cpu_seconds"], request["memory"])
    try:
        return {"value": function(path, *request["arguments"]), "refused": "", "spent": False}
    except BiosigError as error:
        return {"refused": str(error), "spent": False}
    except MemoryError:
        sentence = f"{path} needs more memory than a file of its size should: it is damaged, fetch or export it again."
        return {"refused": sentence, "spent": True}


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # a library's prints must not mix with the answers
    for line in sys.stdin.buffer:
        answers.write(json.dumps(_answer(json.loads(line))).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    _serve()
