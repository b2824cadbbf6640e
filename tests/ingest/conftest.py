from pathlib import Path

import numpy as np
import pytest


def write_edf(
    path: Path,
    signals,
    record_duration=1.0,
    n_records=None,
    annotations=b"",
    reserved=b"",
    bdf=False,
    patient="X X X X",
):
    """signals: list of (label, unit, physical_min, physical_max, integers), split evenly over the records."""
    n_records = n_records or 1
    width = 3 if bdf else 2
    low, high = (-(2**23), 2**23 - 1) if bdf else (-(2**15), 2**15 - 1)
    rows = [(label, unit, pmin, pmax, np.asarray(x).reshape(n_records, -1)) for label, unit, pmin, pmax, x in signals]
    n_samples = [x.shape[1] for *_, x in rows]
    labels = [row[0] for row in rows]
    tal = 0
    if annotations:
        tal = (max(len(a) for a in annotations) + width) // width
        labels.append("BDF Annotations" if bdf else "EDF Annotations")
        n_samples.append(tal)
    n = len(labels)

    def text(values, size):
        return b"".join(str(v).encode("utf-8").ljust(size)[:size] for v in values)

    head = (b"\xffBIOSEMI" if bdf else b"0".ljust(8)) + patient.encode().ljust(80) + b"Startdate X X X X".ljust(80)
    head += b"01.01.8500.00.00" + str(256 * (n + 1)).encode().ljust(8) + reserved.ljust(44)
    head += str(n_records).encode().ljust(8) + f"{record_duration:g}".encode().ljust(8) + str(n).encode().ljust(4)
    extra = n - len(rows)
    head += text(labels, 16) + text([""] * n, 80) + text([row[1] for row in rows] + [""] * extra, 8)
    head += text([row[2] for row in rows] + [-1] * extra, 8) + text([row[3] for row in rows] + [1] * extra, 8)
    head += text([low] * n, 8) + text([high] * n, 8) + text([""] * n, 80) + text(n_samples, 8) + text([""] * n, 32)
    body = bytearray()
    for record in range(n_records):
        for *_, x in rows:
            block = x[record].astype("<i4").view(np.uint8).reshape(-1, 4)[:, :width]
            body += block.tobytes()
        if annotations:
            body += annotations[record].ljust(tal * width, b"\0")
    path.write_bytes(head + bytes(body))
    return path


@pytest.fixture
def edf_writer():
    return write_edf


@pytest.fixture
def ramp():
    """Integers that use the whole range of a format."""

    def make(n: int, bits: int = 16, seed: int = 0):
        limits = (-(2 ** (bits - 1)), 2 ** (bits - 1))
        x = np.random.default_rng(seed).integers(*limits, n)
        x[:2] = limits[0], limits[1] - 1
        return x

    return make
