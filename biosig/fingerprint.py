"""The content hash: a fingerprint of native samples, by which leakage ledgers know a recording again."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.recording import Stream


def content_hash(streams: Sequence[Stream]) -> str:
    """A fingerprint of native samples that survives renaming, channel order, and a change of gain or offset.

    Each channel's valid samples are reduced to (x − x₀) / gcd(differences), so that the same numbers stored with
    another baseline or an integer gain give the same hash; integers are hashed in the smallest of 16, 32 and 64 bits
    that holds them all, floats as they are. The channels' hashes are sorted before they are hashed together. It is
    unkeyed on purpose: leakage ledgers compare it across sites.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
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
    wide = np.int32 if stream.samples.dtype == np.int16 else np.int64  # holds any difference
    first: dict[int, int] = {}
    steps, reach = [0] * stream.n_chans, [0] * stream.n_chans
    for block in stream.blocks():
        for row, x in enumerate(_valid_rows(block)):
            if x.size:
                start = first.setdefault(row, int(x[0]))
                reach[row] = max(reach[row], int(x.max()) - start, start - int(x.min()))
                if steps[row] != 1:
                    steps[row] = math.gcd(steps[row], _step(x, start))
    widths = [_narrowest(distance // max(step, 1)) for distance, step in zip(reach, steps, strict=True)]
    for block in stream.blocks():
        for row, x in enumerate(_valid_rows(block)):
            reduced = x.astype(wide) - first.get(row, 0)
            if steps[row] > 1:
                reduced = reduced // steps[row]
            hashes[row].update(np.ascontiguousarray(reduced, widths[row]).data)
    return [digest.digest() for digest in hashes]


def _narrowest(reach: int) -> str:
    """The smallest little-endian integer type that holds numbers up to ± `reach`: fewer bytes are hashed sooner."""
    return "<i2" if reach < 2**15 else "<i4" if reach < 2**31 else "<i8"


def _valid_rows(block: Stream) -> Iterator[NDArray[Any]]:
    """Each channel's samples that are real values."""
    samples = np.asarray(block.samples)
    if not len(block.invalid) and samples.dtype.kind == "i":
        yield from samples
        return
    for x, valid in zip(samples, block.valid(), strict=True):
        yield x if valid.all() else x[valid]


def _step(x: NDArray[Any], first: int) -> int:
    """The greatest common divisor of all differences to `first`; a few samples mostly tell that it is 1."""
    head = math.gcd(*(x[:256].astype(np.int64) - first).tolist())
    return head if head == 1 else math.gcd(head, int(np.gcd.reduce(x[256:].astype(np.int64) - first, initial=0)))
