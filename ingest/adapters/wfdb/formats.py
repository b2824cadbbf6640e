"""The storage formats of WFDB signal files: from bytes to integers.

Format: WFDB Applications Guide, signal(5), https://physionet.org/physiotools/wag/signal-5.htm. 508, 516 and 524 are
FLAC streams (WFDB 10.7), which soundfile decodes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Packing:
    """Layout of a format's samples in bytes.

    Parameters
    ----------
    bytes_of : tuple of int
        Bytes that hold the first 0, 1, … samples of a group, up to the smallest one that ends on a byte boundary.
    missing : int or None
        The value that stands for a missing sample: the lowest one; format 8, of differences, has none.
    decode : callable
        Bytes of whole groups → their samples, int16 or int32.
    """

    bytes_of: tuple[int, ...]
    missing: int | None
    decode: Callable[[bytes], NDArray[Any]]

    @property
    def group(self) -> tuple[int, int]:
        """Samples and bytes of a group."""
        return len(self.bytes_of) - 1, self.bytes_of[-1]

    def bytes_for(self, n_samples: int) -> int:
        """Bytes that hold the first `n_samples` of a file."""
        groups, rest = divmod(n_samples, self.group[0])
        return groups * self.group[1] + self.bytes_of[rest]

    def samples_in(self, n_bytes: int) -> int:
        """Samples that the first `n_bytes` of a file hold."""
        groups, rest = divmod(n_bytes, self.group[1])
        return groups * self.group[0] + sum(needed <= rest for needed in self.bytes_of[1:])


def _decode_80(raw: bytes) -> NDArray[Any]:
    return np.frombuffer(raw, np.uint8).astype(np.int16) - np.int16(128)


def _decode_160(raw: bytes) -> NDArray[Any]:
    return np.frombuffer(raw, "<i2") ^ np.int16(-(2**15))


def _decode_212(raw: bytes) -> NDArray[Any]:
    groups = np.frombuffer(raw, np.uint8).reshape(-1, 3).astype(np.int16)
    samples = np.empty((len(groups), 2), np.int16)
    samples[:, 0] = (groups[:, 1] << 12) >> 4 | groups[:, 0]  # the shift to the right brings the sign along
    samples[:, 1] = (groups[:, 1] >> 4 << 12) >> 4 | groups[:, 2]
    return samples.ravel()


def _decode_24(raw: bytes) -> NDArray[Any]:
    groups = np.frombuffer(raw, np.uint8).reshape(-1, 3)
    samples = np.zeros((len(groups), 4), np.uint8)
    samples[:, 1:] = groups
    return samples.view("<i4").ravel() >> 8


def _decode_310(raw: bytes) -> NDArray[Any]:
    words = np.frombuffer(raw, "<i2").reshape(-1, 2)
    samples = np.empty((len(words), 3), np.int16)
    samples[:, :2] = (words << 5) >> 6
    samples[:, 2] = (words[:, 1] >> 11) << 5 | (words[:, 0] >> 11) & 0x1F
    return samples.ravel()


def _decode_311(raw: bytes) -> NDArray[Any]:
    words = np.frombuffer(raw, "<i4")
    return np.stack([(words << shift) >> 22 for shift in (22, 12, 2)], axis=1).astype(np.int16).ravel()


PACKINGS = {
    "8": Packing((0, 1), None, lambda raw: np.frombuffer(raw, np.int8).astype(np.int32)),
    "16": Packing((0, 2), -(2**15), lambda raw: np.frombuffer(raw, "<i2")),
    "24": Packing((0, 3), -(2**23), _decode_24),
    "32": Packing((0, 4), -(2**31), lambda raw: np.frombuffer(raw, "<i4")),
    "61": Packing((0, 2), -(2**15), lambda raw: np.frombuffer(raw, ">i2").astype(np.int16)),
    "80": Packing((0, 1), -(2**7), _decode_80),
    "160": Packing((0, 2), -(2**15), _decode_160),
    "212": Packing((0, 2, 3), -(2**11), _decode_212),
    "310": Packing((0, 2, 4, 4), -(2**9), _decode_310),
    "311": Packing((0, 2, 3, 4), -(2**9), _decode_311),
}

FLAC_BITS = {"508": 8, "516": 16, "524": 24}

MISSING = {
    **{fmt: packing.missing for fmt, packing in PACKINGS.items()},
    **{fmt: -(2 ** (bits - 1)) for fmt, bits in FLAC_BITS.items()},
}
"""The digital value that stands for a missing sample in each storage format; None = the format has none."""
