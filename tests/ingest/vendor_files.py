"""Files of formats that no library here writes, byte by byte after their specifications."""

import struct

import numpy as np


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
        out.append(_chunk(6, struct.pack("<I", i) + b'<?xml version="1.0"?><info></info>'))
    path.write_bytes(b"".join(out))
