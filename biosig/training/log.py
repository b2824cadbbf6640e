"""The run's log: one JSON line per event, and TensorBoard where it is installed."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from biosig.errors import DataError
from biosig.file_sums import DamagedWorkWarning, file_checksum
from biosig.publishing import whole_file


class RunLog:
    """`log.jsonl` and TensorBoard events of one run.

    Parameters
    ----------
    out : Path
        The run folder.
    start : int
        Step that the run goes on from; lines that an earlier, killed run logged after it are dropped.
    digest : str
        Return value of `flush` at that step; "" = not known.

    Warns
    -----
    DamagedWorkWarning
        If the log is gone or was changed up to that step; lines that can be read are kept, each once.
    """

    def __init__(self, out: Path, start: int, digest: str = "") -> None:
        path = self._path = out / "log.jsonl"
        kept = [json.dumps(line) + "\n" for line in _lines(path) if line["step"] <= start]
        if digest and hashlib.sha256("".join(kept).encode()).hexdigest() != digest:
            state = "damaged" if path.exists() else "gone"
            message = f"{path} is {state}: of what was logged up to step {start}, only what can be read is kept."
            warnings.warn(message, DamagedWorkWarning, stacklevel=2)
        self._board: Any = None
        with self._writing():
            with whole_file(path) as temporary:
                temporary.write_text("".join(dict.fromkeys(kept)), encoding="utf-8")
            self._file = path.open("a", encoding="utf-8")
            with suppress(ImportError):
                from torch.utils.tensorboard import SummaryWriter

                self._board = SummaryWriter(str(out / "tensorboard"), purge_step=start + 1)

    def write(self, step: int, part: str, values: dict[str, float]) -> None:
        """Log the values of one step of one part of the run ("train", "validation")."""
        with self._writing():
            if values:
                self._file.write(json.dumps({"step": step, "part": part, **values}) + "\n")
                self._file.flush()
            if self._board:
                for key, value in values.items():
                    self._board.add_scalar(f"{part}/{key}", value, step)

    def flush(self) -> str:
        """Hand everything to the operating system; the SHA-256 of the log as it is then."""
        with self._writing():
            self._file.flush()
            if self._board:
                self._board.flush()
            return file_checksum(self._path)

    def close(self) -> None:
        """Close the files."""
        with self._writing():
            self._file.close()
            if self._board:
                self._board.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Translate an error of the disk into a DataError that names the log."""
        try:
            yield
        except OSError as error:
            raise DataError(
                f"{self._path} cannot be written ({error.strerror or error}): make room, then start the run again; it "
                "goes on from its last checkpoint."
            ) from error


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(json.JSONDecodeError):  # a kill can cut the last line short
                if isinstance(values := json.loads(line), dict) and "step" in values:
                    yield values
