"""Every storage format, against wfdb's own decoders and from any place in the file."""

import numpy as np
import pytest
import wfdb

from biosig.errors import UnreadableError
from biosig.reading import read
from ingest.adapters.wfdb.formats import FLAC_BITS, PACKINGS
from ingest.adapters.wfdb.header import parse_header
from ingest.adapters.wfdb.signal_files import open_files

PLAIN = sorted(PACKINGS, key=int)
FLAC = sorted(FLAC_BITS)


def random_file(folder, fmt, n_frames, n_sig=2, offset=0):
    """A signal file of random bytes, and its header."""
    packing = PACKINGS[fmt]
    raw = np.random.default_rng(int(fmt)).integers(0, 256, offset + packing.bytes_for(n_frames * n_sig), np.uint8)
    if fmt == "311":
        raw[offset + 3 :: 4] &= 0x3F  # the two bits that the format leaves unused; wfdb 4.3 looks at one of them
    (folder / "r.dat").write_bytes(raw.tobytes())
    line = f"r.dat {fmt}{f'+{offset}' if offset else ''} 200(3)/mV 16 0 {{}} 0 0 {{}}"
    lines = [
        f"r {n_sig} 100 {n_frames}",
        *(line.format(7 * i, name) for i, name in enumerate(["I", "II", "V1"][:n_sig])),
    ]
    (folder / "r.hea").write_text("\n".join(lines) + "\n")
    return folder / "r.hea"


def flac_file(folder, fmt, n_frames=3000):
    bits = FLAC_BITS[fmt]
    x = np.random.default_rng(0).integers(-(2 ** (bits - 1)) + 1, 2 ** (bits - 1), (n_frames, 2))
    wfdb.wrsamp(
        "f", 250, ["mV"] * 2, ["I", "II"], d_signal=x, fmt=[fmt] * 2, adc_gain=[200.0] * 2, baseline=[0] * 2,
        write_dir=str(folder),
    )  # fmt: skip
    return folder / "f.hea", x


@pytest.mark.parametrize("offset", [0, 24])
@pytest.mark.parametrize("n_frames", [999, 1000, 1001])
@pytest.mark.parametrize("fmt", PLAIN)
def test_random_bytes_decode_as_wfdb_does(tmp_path, fmt, n_frames, offset):
    path = random_file(tmp_path, fmt, n_frames, n_sig=1 if n_frames % 2 else 2, offset=offset)
    stream = read(path).streams[0]
    truth = wfdb.rdrecord(str(path.with_suffix(""))).p_signal.T
    np.testing.assert_array_equal(stream.valid(), np.isfinite(truth))
    exact = stream.samples.astype(np.float64) * stream.scale[:, None] + stream.offset[:, None]
    np.testing.assert_allclose(exact[stream.valid()], truth[stream.valid()], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("fmt", FLAC)
def test_flac_decodes_as_wfdb_does(tmp_path, fmt):
    path, x = flac_file(tmp_path, fmt)
    np.testing.assert_array_equal(read(path).streams[0].samples, x.T)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0].rsplit(" ", 1)[0], *lines[1:]]))
    without_length = read(path)
    assert without_length.streams[0].n_times == len(x)
    assert any("gives no length" in note for note in without_length.notes)


@pytest.mark.parametrize("fmt", PLAIN + FLAC)
def test_any_frames_are_those_of_the_whole(tmp_path, fmt):
    n = 70_000 if fmt == "8" else 3000  # beyond a checkpoint of the differences' sums
    path = flac_file(tmp_path, fmt, n)[0] if fmt in FLAC else random_file(tmp_path, fmt, n, 2, offset=5)
    (whole,), _, _ = open_files(parse_header(path))
    frames = whole.read(0, n)
    (file,), _, _ = open_files(parse_header(path))
    for start, stop in [(n - 7, n), (0, 1), (1, 2), (2, 5), (777, 1778), (n // 2, n), (n, n)]:
        np.testing.assert_array_equal(file.read(start, stop), frames[start:stop])


def test_several_files_formats_rates_and_offsets_in_one_record(tmp_path, ramp):
    fast, slow, other = ramp(400), ramp(100, bits=12, seed=1), ramp(200, bits=24, seed=2)
    (tmp_path / "a.dat").write_bytes(b"head" + fast.astype(">i2").tobytes())
    wfdb.wrsamp("b", 100, ["mV"], ["b"], d_signal=slow[:, None], fmt=["212"], adc_gain=[1.0], baseline=[0],
                write_dir=str(tmp_path))  # fmt: skip
    (tmp_path / "c.dat").write_bytes(other.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes())
    (tmp_path / "m.hea").write_text(
        "m 3 100 100\na.dat 61x4+4 100/mV 16 0 0 0 0 II\nb.dat 212 1(0)/NU 12 0 0 0 0 RESP\n"
        "c.dat 24x2 1(0)/mmHg 24 0 0 0 0 ABP\n"
    )
    streams = read(tmp_path / "m.hea").streams
    assert [(s.sfreq, s.ch_names[0]) for s in streams] == [(400, "II"), (100, "RESP"), (200, "ABP")]
    for stream, x in zip(streams, (fast, slow, other), strict=True):
        np.testing.assert_array_equal(stream.samples[0], x)


def test_checksums_that_contradict_the_samples_are_said(tmp_path, ramp):
    wfdb.wrsamp("r", 100, ["mV"] * 2, ["I", "II"], d_signal=ramp(200).reshape(-1, 2), fmt=["16"] * 2,
                adc_gain=[200.0] * 2, baseline=[0] * 2, write_dir=str(tmp_path))  # fmt: skip
    assert not any("checksum" in note for note in read(tmp_path / "r.hea").notes)
    raw = bytearray((tmp_path / "r.dat").read_bytes())
    raw[102] ^= 0x40  # one bit of the second signal
    (tmp_path / "r.dat").write_bytes(raw)
    (note,) = [note for note in read(tmp_path / "r.hea").notes if "checksum" in note]
    assert "samples of II:" in note


@pytest.mark.parametrize("what", ["zeros", "missing"])
def test_records_that_hold_nothing_are_said(tmp_path, what):
    (tmp_path / "r.dat").write_bytes(np.full(1000, 0 if what == "zeros" else -(2**15), "<i2").tobytes())
    (tmp_path / "r.hea").write_text("r 2 100 500\n" + "".join(f"r.dat 16 200(0)/mV 16 0 0 0 0 {n}\n" for n in "ab"))
    words = {"zeros": "One and the same value throughout", "missing": "Not one valid sample"}[what]
    assert any(note.startswith(words) and "all signals" in note for note in read(tmp_path / "r.hea").notes)


def test_a_flac_stream_that_is_none_or_another_is_refused(tmp_path):
    path, _ = flac_file(tmp_path, "516")
    header, dat = path.read_text(), path.with_suffix(".dat")
    path.write_text(header.replace(" 3000", " 4000"))
    with pytest.raises(UnreadableError, match="truncated: 3000 samples per signal found, 4000 wanted"):
        read(path)
    path.write_text(header.replace(" 516", " 508"))
    with pytest.raises(UnreadableError, match=r"in 16 bits, where f\.hea describes 2 in format 508"):
        read(path)
    path.write_text(header)
    raw = dat.read_bytes()
    dat.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(UnreadableError, match=r"f\.dat (ends before|cannot be decoded)"):
        read(path)
    dat.write_bytes(b"RIFF" + raw[4:])
    with pytest.raises(UnreadableError, match="is not a FLAC stream"):
        read(path)
