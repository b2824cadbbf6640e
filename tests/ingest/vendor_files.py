"""Files written byte by byte after their specifications, as no library here writes them, or not such ones."""

import struct
from pathlib import Path

import numpy as np


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


def write_ncs(path, x, sfreq=2000, start=10**12, n_valid=None, times=None, inverted=True, step=1e-7):
    """A Neuralynx channel: `x` int16 in records of 512; `times` in us."""
    n = -(-len(x) // 512)
    padded = np.zeros(n * 512, np.int16)
    padded[: len(x)] = x
    valid = np.full(n, 512) if n_valid is None else np.array(n_valid)
    if n_valid is None:
        valid[-1] = len(x) - 512 * (n - 1)
    times = start + np.arange(n) * 512 * 10**6 // sfreq if times is None else np.array(times)
    head = ["######## Neuralynx Data File Header", "-RecordSize 1044", f"-SamplingFrequency {sfreq}"]
    head += [f"-ADBitVolts {step:.21f}", f"-InputInverted {inverted}", ""]
    body = [
        struct.pack("<QIII", time, 0, sfreq, count) + padded[i * 512 : (i + 1) * 512].astype("<i2").tobytes()
        for i, (time, count) in enumerate(zip(times.tolist(), valid.tolist(), strict=True))
    ]
    path.write_bytes("\r\n".join(head).encode().ljust(16384, b"\0") + b"".join(body))


def write_nev(path, events):
    """Neuralynx events: (us, text)."""
    body = [struct.pack("<hhhQ42x128s", 0, 0, 0, time, text.encode()) for time, text in events]
    path.write_bytes(b"######## Neuralynx Data File Header".ljust(16384, b"\0") + b"".join(body))


def _chunk(tag, content):
    return b"\x04" + struct.pack("<IH", len(content) + 2, tag) + content


def write_xdf(path, streams):
    """XDF streams: (name, type, rate, format, labels, unit, times, values (T, C) or strings)."""
    out = [b"XDF:", _chunk(1, b'<?xml version="1.0"?><info><version>1.0</version></info>')]
    for i, (name, kind, rate, form, labels, unit, times, values) in enumerate(streams, 1):
        channels = "".join(f"<channel><label>{a}</label><unit>{unit}</unit></channel>" for a in labels)
        xml = f'<?xml version="1.0"?><info><name>{name}</name><type>{kind}</type><channel_count>{len(labels) or 1}'
        xml += f"</channel_count><nominal_srate>{rate}</nominal_srate><channel_format>{form}</channel_format>"
        xml += f"<desc><channels>{channels}</channels></desc></info>"
        out.append(_chunk(2, struct.pack("<I", i) + xml.encode()))
        rows = []
        for time, row in zip(times, values, strict=True):
            if form == "string":
                data = b"\x04" + struct.pack("<I", len(row)) + row.encode()
            else:
                data = np.asarray(row, {"float32": "<f4", "int16": "<i2", "double64": "<f8"}[form]).tobytes()
            rows.append(b"\x08" + struct.pack("<d", time) + data)
        out.append(_chunk(3, struct.pack("<I", i) + b"\x04" + struct.pack("<I", len(rows)) + b"".join(rows)))
        out.append(_chunk(6, struct.pack("<I", i) + f"<info><sample_count>{len(rows)}</sample_count></info>".encode()))
    path.write_bytes(b"".join(out))


def write_gdf(path, signals, n_records=4, seconds=1, events=()):
    """GDF 1.25: (name, unit, samples int16), split evenly over the records; events (sample from 0, code)."""
    n = len(signals)
    rows = [(name, unit, np.asarray(x, "<i2").reshape(n_records, -1)) for name, unit, x in signals]

    def text(values, size):
        return b"".join(str(v).encode().ljust(size, b"\0") for v in values)

    head = b"GDF 1.25" + b"P7 X".ljust(80) + b"R".ljust(80) + b"2020010112000000"
    head += struct.pack("<q", 256 * (n + 1)) + bytes(24 + 20) + struct.pack("<qIII", n_records, seconds, 1, n)
    head += text([name for name, *_ in rows], 16) + text([""] * n, 80) + text([unit for _, unit, _ in rows], 8)
    head += np.full(n, -3276.8).tobytes() + np.full(n, 3276.7).tobytes()
    head += np.full(n, -(2**15)).tobytes() + np.full(n, 2**15 - 1).tobytes() + text([""] * n, 80)
    head += np.array([x.shape[1] for *_, x in rows], "<i4").tobytes() + np.full(n, 3, "<i4").tobytes() + bytes(32 * n)
    body = b"".join(x[record].tobytes() for record in range(n_records) for *_, x in rows)
    places, codes = [np.array([e[i] for e in events]) for i in (0, 1)]
    rate = max(x.shape[1] for *_, x in rows) // seconds
    table = struct.pack("<B", 1) + rate.to_bytes(3, "little") + struct.pack("<I", len(events))
    path.write_bytes(head + body + table + (places + 1).astype("<u4").tobytes() + codes.astype("<u2").tobytes())
