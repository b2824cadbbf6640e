"""Min–max pyramids: extremes of 16, 64, 256, … samples of each row, worked out once and kept in a cache.

Shape letters: R rows of a montage, N bins of a level.
"""

from __future__ import annotations

import json
import logging
import mmap
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biosig.signal import join_runs, runs_from_mask

log = logging.getLogger(__name__)

BASE, FACTOR = 16, 4
BLOCK_LEVELS = 5
"""Levels that a block fills by itself: its length is a multiple of 16·4⁴ samples. The rest follows at the end."""

Read = Callable[[int, int], NDArray[Any]]
"""Samples `start` to `stop` of every row, shape (R, stop − start): float32, NaN where one is not a real value; or,
where all are, the file's own integers."""


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/biosig/view``, by default in ``~/.cache``; never beside the source."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "biosig" / "view"


def prune(folder: Path, n_bytes: float = 8e9) -> None:
    """Remove the pyramids that were used longest ago, until those that are left take at most `n_bytes`."""
    kept = 0.0
    paths = sorted(folder.glob("*/meta.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in paths:
        kept += sum(file.stat().st_size for file in path.parent.iterdir())
        if kept > n_bytes:
            shutil.rmtree(path.parent, ignore_errors=True)


class Pyramid:
    """Extremes of rows at several scales; while it is built, it answers for the finished part.

    Parameters
    ----------
    folder : Path
        Of the cache.
    key : str
        Changes with anything that changes a value.
    shape : tuple of 2 int
        Rows and samples.
    read : callable
        Gives samples.
    block : int
        Samples that are read at once, about.
    scale, offset : ndarray, shape (R, 1), optional
        values = integers * scale + offset, where `read` gives integers.
    """

    def __init__(
        self,
        folder: Path,
        key: str,
        shape: tuple[int, int],
        read: Read,
        block: int,
        scale: ArrayLike = 1.0,
        offset: ArrayLike = 0.0,
    ) -> None:
        self.n_rows, self.n_times = shape
        self.done = 0
        """Samples from the start whose extremes are known."""
        self.gaps = np.empty((0, 3), np.int64)
        """Runs (row, start, stop) of samples that are not real values, of the part that is done."""
        self.error = ""
        self._levels: list[NDArray[np.float32]] = []
        self._place, self._read = folder / key, read
        self._scale, self._offset = np.asarray(scale), np.asarray(offset)
        unit = BASE * FACTOR ** (BLOCK_LEVELS - 1)
        self._block = max(block // unit, 1) * unit
        self._thread: threading.Thread | None = None
        if (self._place / "meta.json").is_file():
            self._open()
        else:
            self._thread = threading.Thread(target=self._build, name=f"pyramid {key}", daemon=True)
            self._thread.start()

    @property
    def whole(self) -> bool:
        """True if all samples are in it."""
        return self.done >= self.n_times

    def wait(self, seconds: float) -> None:
        """Wait until it is whole, for a while."""
        if self._thread is not None:
            self._thread.join(seconds)

    def extremes(self, cuts: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Least and greatest value of each column, shape (R, n); NaN where none is known.

        Parameters
        ----------
        cuts : ndarray of int, shape (n + 1,)
            First sample of each column, and the end; they are rounded to the nearest bin of `edge` samples.
        """
        first = self._first(cuts)
        levels, size = self._levels[first:], self.edge(cuts)
        known = -(-self.done // size)
        bins = np.clip(np.rint(cuts / size).astype(np.int64), 0, known)
        low = np.full((self.n_rows, len(bins) - 1), np.nan, np.float32)
        high = low.copy()
        start, stop = bins[:-1].copy(), bins[1:].copy()
        for number, level in enumerate(levels):
            held = np.flatnonzero(stop > start)
            if not len(held):
                break
            a, b = start[held], stop[held]
            up_a, up_b = -(-a // FACTOR), b // FACTOR
            if number == len(levels) - 1:
                up_a, up_b = b, b  # nothing above
            coarse = up_a < up_b
            left_end = np.where(coarse, up_a * FACTOR, b)
            self._take(level, held, a, left_end, low, high)
            self._take(level, held, np.where(coarse, up_b * FACTOR, b), b, low, high)
            start[held] = np.where(coarse, up_a, 0)
            stop[held] = np.where(coarse, up_b, 0)
        return low, high

    def edge(self, cuts: NDArray[np.int64]) -> int:
        """Samples to which the edges of columns are rounded: 16, of longer columns up to a 32nd of one."""
        return BASE * FACTOR ** self._first(cuts)

    def _first(self, cuts: NDArray[np.int64]) -> int:
        """The finest level that columns need: finer ones would touch a page of memory for each edge and row."""
        longest = int(np.diff(cuts).max(initial=1))
        fit = int(np.log(max(longest / 32 / BASE, 1)) / np.log(FACTOR) + 1e-9)
        return max(min(fit, len(self._levels) - 1, BLOCK_LEVELS - 1), 0)

    @staticmethod
    def _take(
        level: NDArray[np.float32],
        held: NDArray[np.int64],
        a: NDArray[np.int64],
        b: NDArray[np.int64],
        low: NDArray[np.float32],
        high: NDArray[np.float32],
    ) -> None:
        """Take bins `a` to `b` of a level into the extremes of columns `held`."""
        for i in range(int((b - a).max(initial=0))):
            some = a + i < b
            where, at = held[some], a[some] + i
            low[:, where] = np.fmin(low[:, where], level[0][:, at])
            high[:, where] = np.fmax(high[:, where], level[1][:, at])

    def _open(self) -> None:
        meta = json.loads((self._place / "meta.json").read_text())
        self._levels = [np.load(self._place / f"level{i}.npy", mmap_mode="r") for i in range(meta["levels"])]
        self.gaps = np.load(self._place / "gaps.npy")
        (self._place / "meta.json").touch()
        self.done = self.n_times

    def _build(self) -> None:
        partial = self._place.with_name(f".{self._place.name}.{os.getpid()}.partial")
        try:
            partial.mkdir(parents=True, exist_ok=True)
            os.chmod(partial.parent, 0o700)
            self._fill(partial)
            np.save(partial / "gaps.npy", self.gaps)
            (partial / "meta.json").write_text(json.dumps({"levels": len(self._levels)}))
            if not self._place.exists():
                partial.rename(self._place)
            prune(self._place.parent)
        except Exception as error:  # the page says it; what is done stays
            log.warning("The overview is not complete: %s", error)
            self.error = str(error)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _fill(self, partial: Path) -> None:
        sizes = [-(-self.n_times // BASE)]
        while sizes[-1] > FACTOR:
            sizes.append(-(-sizes[-1] // FACTOR))
        made = [
            np.lib.format.open_memmap(
                partial / f"level{i}.npy", mode="w+", dtype=np.float32, shape=(2, self.n_rows, size)
            )
            for i, size in enumerate(sizes)
        ]
        self._levels = list(made[:BLOCK_LEVELS])
        gaps = []
        for start in range(0, self.n_times, self._block):
            stop = min(start + self._block, self.n_times)
            x = self._read(start, stop)
            finite = np.isfinite(x) if x.dtype.kind == "f" else None
            if finite is not None and not finite.all():
                gaps.append(runs_from_mask(~finite) + np.array([0, start, start]))
                self.gaps = join_runs(np.concatenate(gaps))
            low, high = self._extremes(x)
            at = start // BASE
            for level in made[:BLOCK_LEVELS]:
                level[0][:, at : at + low.shape[1]], level[1][:, at : at + low.shape[1]] = low, high
                low, high, at = _reduced(low, FACTOR, np.fmin), _reduced(high, FACTOR, np.fmax), at // FACTOR
            self.done = stop
            _release(made)
        for below, level in zip(made[BLOCK_LEVELS - 1 :], made[BLOCK_LEVELS:], strict=False):
            level[0], level[1] = _reduced(below[0], FACTOR, np.fmin), _reduced(below[1], FACTOR, np.fmax)
        _release(made)
        self._levels = list(made)

    def _extremes(self, x: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Extremes of 16 samples each; of integers they are found before they are scaled, which is much faster."""
        if x.dtype.kind == "f":
            return _reduced(x, BASE, np.fmin), _reduced(x, BASE, np.fmax)
        ends = [_reduced(x, BASE, function) * self._scale + self._offset for function in (np.minimum, np.maximum)]
        return np.minimum(*ends).astype(np.float32), np.maximum(*ends).astype(np.float32)


def _release(levels: Sequence[NDArray[np.float32]]) -> None:
    """Give memory back that stands for parts of files: the system keeps them as long as it has room."""
    for level in levels:
        mapped = getattr(level, "_mmap", None)
        if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED)


def _reduced(x: NDArray[Any], by: int, function: np.ufunc) -> NDArray[Any]:
    """Extremes of `by` values each, the last one of the remainder, shape (R, ⌈T / by⌉)."""
    whole = x.shape[1] // by * by
    part = x[:, :whole]
    while by > 1:  # halves at a time: much faster than a reduction over a short last axis
        part = function(part[:, ::2], part[:, 1::2])
        by //= 2
    if whole == x.shape[1]:
        return part
    return np.concatenate((part, function.reduce(x[:, whole:], axis=1, keepdims=True)), axis=1)
