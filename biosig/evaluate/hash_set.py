"""A set of SHA-256 digests in little room: whole up to a size, beyond it the first 42 bits of each.

Digests are uniform, so a sorted list of their first bits is a filter for membership already. Ten million of them take
30.5 MB and have a false-positive rate of 2.3e-6; a Bloom filter needs 34 MB for that rate, can only be joined with one
of its own size, and does not tell how many it holds. Shape letter: n digests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

EXACT_UP_TO = 100_000
"""Digests that are kept whole, 32 bytes each."""

PREFIX_BITS = 42
"""Of a digest beyond that: the first 18 number a bucket, of which the size is stored, and 24 are stored themselves."""

_BUCKETS = 1 << 18
_AT_ONCE = 1 << 18  # digests that are read as text together: 64 bytes each


@dataclass(frozen=True, slots=True)
class DigestSet:
    """Digests with a test for membership.

    Parameters
    ----------
    keys : ndarray, shape (n,)
        Sorted and distinct: 64 hexadecimal digits ("S64"), or the first `PREFIX_BITS` bits (uint64).
    """

    keys: NDArray[Any]

    @classmethod
    def of(cls, digests: Sequence[str]) -> DigestSet:
        """The set of these digests, 64 hexadecimal digits each."""
        keys = np.unique(_prefixes(digests))
        return cls(keys if len(keys) > EXACT_UP_TO else np.unique(np.array(digests, "S64")))

    @property
    def exact(self) -> bool:
        """True if digests are kept whole."""
        return self.keys.dtype.kind == "S"

    @property
    def false_positive_rate(self) -> float:
        """The chance that a digest which is not in the set is taken for one that is."""
        return 0.0 if self.exact else len(self) / 2**PREFIX_BITS

    def __len__(self) -> int:
        return len(self.keys)

    def contains(self, digests: Sequence[str]) -> NDArray[np.bool_]:
        """Mark the digests that are in the set, shape (len(digests),)."""
        asked = np.array(digests, "S64") if self.exact else _prefixes(digests)
        place = np.searchsorted(self.keys, asked)
        return np.append(self.keys, self.keys[:1])[place] == asked if len(self) else np.zeros(len(asked), bool)

    def __or__(self, other: DigestSet) -> DigestSet:
        if self.exact and other.exact and len(self) + len(other) <= EXACT_UP_TO:
            return DigestSet(np.union1d(self.keys, other.keys))
        return DigestSet(np.union1d(self._shortened(), other._shortened()))

    def _shortened(self) -> NDArray[np.uint64]:
        return _from_text(self.keys) if self.exact else self.keys

    def to_arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Arrays for a file: `name` (n, 32) bytes, or `name`.bucket (2¹⁸,) sizes and `name`.rest (n, 3) bytes."""
        if self.exact:
            return {name: np.frombuffer(bytes.fromhex(b"".join(self.keys).decode()), np.uint8).reshape(-1, 32)}
        bucket = np.bincount((self.keys >> np.uint64(24)).astype(np.int64), minlength=_BUCKETS)
        rest = self.keys.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :3]
        return {f"{name}.bucket": bucket.astype(np.uint16), f"{name}.rest": np.ascontiguousarray(rest)}

    @classmethod
    def from_arrays(cls, name: str, arrays: Mapping[str, NDArray[Any]]) -> DigestSet:
        """Read the arrays of `to_arrays`; a KeyError where one is absent."""
        if name in arrays:
            return cls(np.frombuffer(arrays[name].tobytes().hex().encode(), "S64"))
        keys = np.repeat(np.arange(_BUCKETS, dtype=np.uint64) << np.uint64(24), arrays[f"{name}.bucket"])
        rest = arrays[f"{name}.rest"].astype(np.uint64)
        return cls(keys | rest[:, 0] | rest[:, 1] << np.uint64(8) | rest[:, 2] << np.uint64(16))


def _prefixes(digests: Sequence[str]) -> NDArray[np.uint64]:
    """The first bits of each digest as a number, (n,)."""
    parts = [_from_text(np.array(digests[i : i + _AT_ONCE], "S64")) for i in range(0, len(digests), _AT_ONCE)]
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


def _from_text(text: NDArray[np.bytes_]) -> NDArray[np.uint64]:
    digits = text.view(np.uint8).reshape(len(text), 64)[:, :11].astype(np.uint64)  # 44 bits
    values = np.where(digits >= ord("a"), digits - np.uint64(ord("a") - 10), digits - np.uint64(ord("0")))
    prefixes = np.zeros(len(text), np.uint64)
    for column in values.T:
        prefixes = prefixes << np.uint64(4) | column
    return prefixes >> np.uint64(44 - PREFIX_BITS)
