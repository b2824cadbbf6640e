"""The form in which signals travel: a JSON header, then arrays, little-endian, each on a multiple of 8 bytes."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

MEDIA_TYPE = "application/octet-stream"


def pack(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Length of the header as uint32, the header with the place of each array, and the arrays.

    Places count from the end of the header, which is padded to a multiple of 8 with blanks.
    """
    places: dict[str, Any] = {}
    at = 0
    for name, array in arrays.items():
        places[name] = {"type": array.dtype.name, "shape": array.shape, "at": at}
        at += -(-array.nbytes // 8) * 8
    text = json.dumps({**header, "arrays": places}, allow_nan=False).encode()
    text += b" " * (-(len(text) + 4) % 8)
    body = [struct.pack("<I", len(text)), text]
    for array in arrays.values():
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        body += [little.tobytes(), b"\0" * (-little.nbytes % 8)]
    return b"".join(body)


def unpack(body: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Header and arrays of `pack`."""
    (length,) = struct.unpack_from("<I", body)
    header = json.loads(body[4 : 4 + length])
    arrays = {}
    for name, place in header.pop("arrays").items():
        dtype = np.dtype(place["type"]).newbyteorder("<")
        count = int(np.prod(place["shape"], dtype=np.int64))
        arrays[name] = np.frombuffer(body, dtype, count, 4 + length + place["at"]).reshape(place["shape"])
    return header, arrays
