import struct

import mne
import numpy as np
import pytest
from vendor_files import write_gdf

from biosig.errors import UnreadableError
from biosig.reading import read

RNG = np.random.default_rng(0)
X, RESP = RNG.integers(-3000, 3000, 800), RNG.integers(-3000, 3000, 100)


def test_rates_stay_apart_and_units_are_the_files(tmp_path):
    path = tmp_path / "m.gdf"
    write_gdf(path, [("Cz", "uV", X), ("Resp", "mV", RESP), ("C3", "uV", X[::-1])], events=[(100, 769), (300, 770)])
    recording = read(path)
    fast, slow = recording.streams
    assert (fast.sfreq, slow.sfreq) == (200, 25)
    np.testing.assert_array_equal(fast.samples, np.stack([X, X[::-1]]))
    np.testing.assert_array_equal(slow.samples[0], RESP)
    assert [c.unit for c in recording.channels] == ["uV", "uV", "mV"]
    assert [(a.onset, a.label) for a in recording.annotations] == [(0.5, "769"), (1.5, "770")]
    assert recording.subject.id == "P7"
    np.testing.assert_array_equal(read(path, lazy=True).streams[0].samples[:, 123:456], fast.samples[:, 123:456])


def test_values_are_those_of_mne_where_all_rates_are_one(tmp_path):
    path = tmp_path / "m.gdf"
    write_gdf(path, [("Cz", "uV", X), ("C3", "uV", X[::-1])])
    raw = mne.io.read_raw_gdf(path, preload=True, verbose="error")
    (stream,) = read(path).streams
    np.testing.assert_allclose(stream.physical(), raw.get_data() * 1e6, rtol=1e-5, atol=1e-4)


def version_2(path, codes=(3,), unit=4275, n_records=4):
    """The file of `write_gdf` with a header of version 2 and other types of number."""
    write_gdf(path, [("Cz", "uV", X)])
    raw = bytearray(path.read_bytes())
    raw[4:8] = b"2.20"
    raw[8:256] = bytes(248)
    raw[8:12] = b"P8 X"
    raw[87] = 2
    struct.pack_into("<QQ", raw, 168, 737_000 << 32, (737_000 - 40 * 366) << 32)
    struct.pack_into("<H", raw, 184, 2)
    struct.pack_into("<qIIH", raw, 236, n_records, 1, 1, 1)
    struct.pack_into("<H", raw, 256 + 16 + 80 + 6, unit)
    struct.pack_into("<dd", raw, 256 + 16 + 80 + 8 + 16, -32768.0, 32767.0)
    struct.pack_into("<ii", raw, 256 + 16 + 80 + 8 + 32 + 80, 200, codes[0])
    table = struct.pack("<B3sfIHHI", 3, (1).to_bytes(3, "little"), 100.0, 151, 769, 0, 50)  # one event of 0.5 s
    path.write_bytes(raw[:-8] + table)
    return path


def test_version_2_with_its_codes(tmp_path):
    recording = read(version_2(tmp_path / "v.gdf"))
    np.testing.assert_array_equal(recording.streams[0].samples[0], X)
    assert (recording.subject.id, recording.subject.sex, recording.subject.age) == ("P8", "female", 40)
    assert [(a.onset, a.duration, a.label) for a in recording.annotations] == [(1.5, 0.5, "769")]
    millivolts = read(version_2(tmp_path / "v.gdf", unit=4274)).streams[0]
    np.testing.assert_allclose(millivolts.scale, 1000 * recording.streams[0].scale)
    assert any("code 4999" in note for note in read(version_2(tmp_path / "v.gdf", unit=4999)).notes)
    left_open = read(version_2(tmp_path / "v.gdf", n_records=-1))  # 24 bytes of events are less than a record
    np.testing.assert_array_equal(left_open.streams[0].samples[0], X)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda raw: b"EDF " + raw[4:], "does not begin like a GDF"),
        (lambda raw: raw[:4] + b"nan " + raw[8:], "does not begin like a GDF"),
        (lambda raw: raw[:252] + b"\xff\xff\xff\x7f" + raw[256:], "2147483647 channels"),
        (lambda raw: raw[:300], "cut inside its header"),
        (lambda raw: raw[:700], "cut short: 188 bytes of data records found, 1600 wanted"),
        (lambda raw: raw[:-14] + b"\x01\0\0\0\xff\xff\xff\x7f", "2147483647 events"),
        (lambda raw: raw[:476] + b"\x63" + raw[477:], "of type 99"),
    ],
)
def test_damage_is_told_in_one_sentence(tmp_path, spoil, words):
    path = tmp_path / "d.gdf"
    write_gdf(path, [("Cz", "uV", X)], events=[(5, 1)])
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(UnreadableError, match=words) as failure:
        read(path)
    assert str(path) in str(failure.value)
