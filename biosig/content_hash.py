"""The content hash: a fingerprint of native samples, by which leakage ledgers know a recording again."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.opening import is_quick
from biosig.recording import Stream

_FEW = 64
"""Samples of a channel that mostly tell the step of all of them."""


KEYED = "keyed:"
"""Begins a digest that an ingest made under its key: it agrees under that key alone."""


def is_comparable(content: str) -> bool:
    """True if a content hash is known, and agrees across sites: an ingest can key it (``--content-hash keyed``)."""
    return bool(content) and not content.startswith(KEYED)


def content_hash(streams: Sequence[Stream]) -> str:
    """A fingerprint of native samples that survives renaming, channel order, and a change of gain or offset.

    Each channel's valid samples are reduced to (x − x₀) / gcd(differences), so that the same numbers stored with
    another baseline or an integer gain give the same hash; integers are hashed in the smallest of 16, 32 and 64 bits
    that holds them all, floats as they are. The channels' hashes are sorted before they are hashed together. It is
    unkeyed on purpose: leakage ledgers compare it across sites (`docs/privacy.md` names the information in it).

    Returns
    -------
    str
        64 hexadecimal digits; "" within `biosig.opening.quickly`.
    """
    if is_quick():
        return ""
    digests = [digest for stream in streams for digest in _channel_digests(stream)]
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()


def _channel_digests(stream: Stream) -> list[bytes]:
    """SHA-256 of each channel's valid samples, reduced if they are integers; two passes over those, block by block."""
    hashes = [hashlib.sha256() for _ in stream.channels]
    if stream.samples.dtype.kind == "f":
        for block in stream.blocks():
            for digest, x in zip(hashes, _valid_rows(block), strict=True):
                digest.update(np.ascontiguousarray(x, "<f4").data)
        return [digest.digest() for digest in hashes]
    first: dict[int, Any] = {}
    steps, reach = [0] * stream.n_chans, [0] * stream.n_chans
    for block in stream.blocks():
        rows = _valid_rows(block)
        for row, (x, step, low, high) in enumerate(zip(rows, _first_steps(rows), *_ends(rows), strict=True)):
            if x.size:
                start = int(first.setdefault(row, x[0]))
                reach[row] = max(reach[row], high - start, start - low)
                if steps[row] != 1:
                    steps[row] = _step(x, start, math.gcd(steps[row], step))
    widths = [_narrowest(distance // max(step, 1)) for distance, step in zip(reach, steps, strict=True)]
    for block in stream.blocks():
        for row, x in enumerate(_valid_rows(block)):
            if x.size:
                hashes[row].update(_reduced(x, first[row], steps[row], widths[row]).data)
    return [digest.digest() for digest in hashes]


def _reduced(x: NDArray[Any], first: Any, step: int, width: str) -> NDArray[Any]:
    """(x − first) / step in an integer type that holds it."""
    if step <= 1:  # the difference fits, so it comes out right even where both numbers wrap around
        return np.asarray(np.subtract(x, first, dtype=width, casting="unsafe"))
    return np.asarray((np.subtract(x, first, dtype=np.int64) // step).astype(width))


def _narrowest(reach: int) -> str:
    """The smallest little-endian integer type that holds numbers up to ± `reach`: fewer bytes are hashed sooner."""
    return "<i2" if reach < 2**15 else "<i4" if reach < 2**31 else "<i8"


def _valid_rows(block: Stream) -> NDArray[Any] | list[NDArray[Any]]:
    """Each channel's samples that are real values; all of them as one array (C, T)."""
    samples = np.asarray(block.samples)
    if not len(block.invalid) and samples.dtype.kind == "i":
        return samples
    return [x if valid.all() else x[valid] for x, valid in zip(samples, block.valid(), strict=True)]


def _ends(rows: NDArray[Any] | list[NDArray[Any]]) -> tuple[list[int], list[int]]:
    """The smallest and the largest of each row's samples; 0 where it has none."""
    if isinstance(rows, np.ndarray) and rows.size:
        return rows.min(axis=1).tolist(), rows.max(axis=1).tolist()
    return [int(x.min()) if x.size else 0 for x in rows], [int(x.max()) if x.size else 0 for x in rows]


def _first_steps(rows: NDArray[Any] | list[NDArray[Any]]) -> list[int]:
    """The greatest common divisor of the differences between each row's first samples: of most signals it is 1."""
    if isinstance(rows, np.ndarray) and rows.size:
        few = rows[:, :_FEW].astype(np.int64)
        return np.gcd.reduce(few - few[:, :1], axis=1).tolist()
    return [0] * len(rows)


def _step(x: NDArray[Any], first: int, step: int) -> int:
    """The greatest common divisor of `step` and all differences to `first`, which are looked at while it is not 1."""
    for part in (x[:_FEW], x[_FEW:]):
        if step == 1:
            break
        step = math.gcd(step, int(np.gcd.reduce(part.astype(np.int64) - first, initial=0)))
    return step
