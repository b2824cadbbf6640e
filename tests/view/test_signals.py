"""The server's answers: samples as in the file, extremes, gaps, montages, filters."""

import time

import numpy as np
import pytest

import biosig
from biosig import samples
from biosig.view.filters import Filters, filtered
from tests.ingest.vendor_files import write_edf
from tests.view.looking import wfdb_record


def values(header, arrays):
    """Raw values in the channel's unit."""
    if "values" in arrays:
        return arrays["values"].astype(float)
    return arrays["samples"] * np.array(header["scale"])[:, None] + np.array(header["offset"])[:, None]


def test_samples_are_those_of_the_file_to_the_bit(serve, tmp_path):
    x = np.random.default_rng(0).integers(-3000, 3000, 10_000)
    client = serve(wfdb_record(tmp_path, "known", {"II": x}, 500, "mV"))
    header, arrays = client.signal(step=0.01, first=100, n=500)
    start = header["start"]
    assert (header["mode"], start) == ("raw", 499)
    np.testing.assert_array_equal(arrays["samples"][0], x[start : start + arrays["samples"].shape[1]])
    assert arrays["samples"].dtype == np.int16
    np.testing.assert_allclose(values(header, arrays)[0, 1], x[500] / 1000, rtol=1e-12)
    whole = biosig.read(tmp_path / "known.hea")
    np.testing.assert_array_equal(arrays["samples"], np.asarray(whole.streams[0].samples)[:, start:3001])


def test_real_recordings_come_as_they_are(serve):
    path = sorted(samples.path("eegmmidb").glob("*.edf"))[0]
    (stream,) = biosig.read(path).streams
    header, arrays = serve(path).signal(step=0.02, first=0, n=500)
    np.testing.assert_array_equal(arrays["samples"], np.asarray(stream.samples)[:, : arrays["samples"].shape[1]])
    assert header["filters"] == "none"


@pytest.mark.parametrize("shift", [0, 1, 7])
def test_a_spike_keeps_its_height_and_its_column(serve, tmp_path, shift):
    x = np.zeros(1_800_000, int)
    x[900_001] = 5000
    client = serve(wfdb_record(tmp_path, "spike", {"II": x}, 500, "mV"))
    _, arrays = client.signal(step=3.0, first=shift, n=1200 - shift)
    least, most = arrays["columns"][1, 0], arrays["columns"][2, 0]
    assert most[600 - shift] == 5.0
    assert most[599 - shift] == most[601 - shift] == 0
    assert not least.any()


@pytest.mark.parametrize("whole", [False, True])
def test_a_pyramid_gives_the_extremes_that_the_samples_have(serve, tmp_path, monkeypatch, whole):
    monkeypatch.setattr("biosig.view.signals.READ", 1000)
    x = np.random.default_rng(1).integers(-5000, 5000, 400_123)
    if not whole:
        x[200_000:210_000] = -32768
    client = serve(wfdb_record(tmp_path, "long", {"II": x, "V1": -x.clip(-5000)}, 500, "mV"))
    step = 1.6  # 800 samples: edges lie on bins of 16
    for _ in range(100):
        header, arrays = client.signal(step=step, first=0, n=501)
        if "until" not in header:
            break
        time.sleep(0.05)
    assert header["exact"] is False
    for row, values_ in enumerate((np.where(x == -32768, np.nan, x), -x.clip(-5000))):
        for j in (0, 1, 77, 249, 250, 263, 499, 500):
            part = values_[800 * j : 800 * (j + 1)]
            wanted = (np.nan, np.nan) if np.isnan(part).all() else (np.nanmin(part) / 1000, np.nanmax(part) / 1000)
            np.testing.assert_allclose(arrays["columns"][1:3, row, j], wanted, rtol=1e-6)
    assert header["gaps"] == ([] if whole else [[0, 400.0, 420.0]])
    again = serve(tmp_path / "long.hea")  # from the cache
    header, cached = again.signal(step=step, first=0, n=501)
    assert "until" not in header
    np.testing.assert_array_equal(cached["columns"], arrays["columns"])
    assert not list(tmp_path.glob("*.npy")), "nothing is written beside the source"


def test_gaps_stand_where_they_are_and_zeros_are_values(serve, tmp_path):
    x = np.full(20_000, 500)
    x[5000:6250] = -32768
    x[8000:9000] = 0
    client = serve(wfdb_record(tmp_path, "gap", {"II": x}, 500, "mV"))
    header, _ = client.signal(step=0.01, first=0, n=1024)
    assert header["gaps"] == [[0, 10.0, 12.5]]
    header, _ = client.signal(step=0.01, first=1500, n=500)
    assert header["gaps"] == []
    header, arrays = client.signal(step=0.1, first=0, n=400)
    assert header["gaps"] == [[0, 10.0, 12.5]]
    assert np.isnan(arrays["columns"][:, 0, 100:125]).all()
    assert (arrays["columns"][1, 0, 160:180] == 0).all()


def test_what_follows_a_gap_of_a_discontinuous_file_stands_at_its_own_time(serve, tmp_path):
    x = np.arange(400) - 200
    tals = [f"{t:+g}\x14\x14\x00".encode() for t in (0, 1, 4.5, 5.5)]
    path = write_edf(
        tmp_path / "d.edf", [("EEG Cz", "uV", -3276.8, 3276.7, x)], n_records=4, annotations=tals, reserved=b"EDF+D"
    )
    header, arrays = serve(path).signal(step=0.02, first=0, n=400)
    assert header["gaps"] == [[0, 2.0, 4.5]]
    np.testing.assert_array_equal(arrays["samples"][0, 450 - header["start"] :], x[200:])


EEG = (
    "Fp1",
    "Fp2",
    "F7",
    "F8",
    "F3",
    "F4",
    "T3",
    "T4",
    "C3",
    "C4",
    "T5",
    "T6",
    "P3",
    "P4",
    "O1",
    "O2",
    "Fz",
    "Cz",
    "Pz",
)
BANANA = [
    "Fp1-F7", "F7-T7", "T7-P7", "P7-O1",
    "Fp2-F8", "F8-T8", "T8-P8", "P8-O2",
    "Fp1-F3", "F3-C3", "C3-P3", "P3-O1",
    "Fp2-F4", "F4-C4", "C4-P4", "P4-O2",
    "Fz-Cz", "Cz-Pz",
]  # fmt: skip


def eeg_record(folder, name="eeg", without=(), n=2000, **given):
    signals = {lead: np.full(n, given.get(lead, 10 * i), int) for i, lead in enumerate(EEG) if lead not in without}
    return wfdb_record(folder, name, signals, 200, "uV", gain=10)


def test_montages_are_differences_in_clinical_order(serve, tmp_path):
    client = serve(eeg_record(tmp_path, Fp1=100, F7=40))  # 10 and 4 µV
    about = client.json("/api/recordings/0")["groups"][0]
    rows = next(montage for montage in about["montages"] if montage["name"] == "double banana")["rows"]
    assert [row["name"] for row in rows] == BANANA
    header, arrays = client.signal(step=0.01, first=0, n=100, montage="double banana")
    assert header["negative_up"]
    x = values(header, arrays)
    assert x[0, 5] == pytest.approx(6.0)
    electrode = {name: 10.0 if name == "Fp1" else 4.0 if name == "F7" else float(i) for i, name in enumerate(EEG)}
    electrode |= {"T7": electrode["T3"], "T8": electrode["T4"], "P7": electrode["T5"], "P8": electrode["T6"]}
    for row, name in enumerate(BANANA):
        first, second = name.split("-")
        assert x[row, 3] == pytest.approx(electrode[first] - electrode[second], abs=1e-4), name


def test_the_average_leaves_bad_channels_out_and_says_so(serve, tmp_path):
    client = serve(eeg_record(tmp_path, Fp1=5000))
    header, arrays = client.signal(step=0.01, first=0, n=100, montage="average", bad="Fp1")
    others = np.array([float(i) for i in range(1, 19)])
    assert header["notes"] == ["average of 18 of 19 electrodes, without Fp1"]
    np.testing.assert_allclose(
        values(header, arrays)[:, 4][[0, 1]], [500 - others.mean(), 1 - others.mean()], atol=1e-3
    )


def test_a_row_without_its_channel_is_named_and_not_zero(serve, tmp_path):
    client = serve(eeg_record(tmp_path, without=("F7",)))
    about = client.json("/api/recordings/0")["groups"][0]
    rows = next(montage for montage in about["montages"] if montage["name"] == "double banana")["rows"]
    assert [(row["name"], row["missing"]) for row in rows if not row["present"]] == [
        ("Fp1-F7", ["F7"]),
        ("F7-T7", ["F7"]),
    ]
    _, arrays = client.signal(step=0.01, first=0, n=10, montage="double banana")
    assert len(arrays["values"]) == 16


def test_a_bipolar_recording_has_no_referential_montage(serve, tmp_path):
    signals = {name: np.arange(1000) for name in BANANA}
    client = serve(wfdb_record(tmp_path, "pairs", signals, 200, "uV"))
    about = client.json("/api/recordings/0")["groups"][0]
    names = [montage["name"] for montage in about["montages"]]
    assert "double banana" in names
    assert not {"average", "Cz", "same ear", "linked ears"} & set(names)


def test_a_filtered_sample_has_one_value_whatever_page_shows_it(serve, tmp_path):
    rng = np.random.default_rng(2)
    x = (np.cumsum(rng.normal(0, 20, 40_000)) % 20_000).astype(int)
    client = serve(wfdb_record(tmp_path, "eeg", {"Cz": x, "Pz": x[::-1]}, 200, "uV", gain=10))
    found = []
    for start in (0.0, 5.0, 7.3):
        header, arrays = client.signal(step=0.01, first=round(start / 0.01), n=1000, filters="1,70,50")
        found.append(arrays["values"][:, 1500 - header["start"]])
    assert "high-pass 1 Hz, low-pass 70 Hz, notch 50 Hz" in header["filters"]
    whole = filtered(np.stack((x, x[::-1])) / 10, Filters(1, 70, 50), 200.0)[:, 1500]
    np.testing.assert_allclose(found, np.broadcast_to(whole, (3, 2)), atol=0.01)


@pytest.mark.parametrize(
    ("filters", "freq", "share"), [("1,-,-", 1.0, 0.707), ("-,15,-", 15.0, 0.707), ("-,-,-", 50.0, 1.0)]
)
def test_a_cut_off_is_where_the_page_says_it_is(serve, tmp_path, filters, freq, share):
    t = np.arange(60_000) / 500
    x = np.round(10_000 * np.sin(2 * np.pi * freq * t)).astype(int)
    client = serve(wfdb_record(tmp_path, "tone", {"Cz": x}, 500, "uV", gain=10))
    header, arrays = client.signal(step=0.01, first=5000, n=1000, filters=filters)
    part = values(header, arrays)[0]
    assert part.std() * 2**0.5 / 1000 == pytest.approx(share, abs=0.02)


def test_a_notch_takes_the_tone_and_leaves_its_neighbourhood(serve, tmp_path):
    t = np.arange(60_000) / 500
    x = np.round(5000 * (np.sin(2 * np.pi * 50 * t) + np.sin(2 * np.pi * 10 * t))).astype(int)
    header, arrays = serve(wfdb_record(tmp_path, "hum", {"Cz": x}, 500, "uV", gain=10)).signal(
        step=0.01, first=5000, n=1000, filters="-,-,50"
    )
    assert np.abs(arrays["values"]).max() == pytest.approx(500, rel=0.02)
    assert "notch 50 Hz" in header["filters"]


def test_no_filter_reaches_over_a_gap(serve, tmp_path):
    x = np.zeros(4000, int)
    x[:1000], x[1000:1400] = 10_000, -32768
    header, arrays = serve(wfdb_record(tmp_path, "gap", {"Cz": x}, 200, "uV", gain=10)).signal(
        step=0.01, first=0, n=1500, filters="-,15,-"
    )
    assert header["gaps"] == [[0, 5.0, 7.0]]
    part = arrays["values"][0]
    assert np.isnan(part[1000:1400]).all()
    np.testing.assert_allclose(part[:1000], 1000, atol=0.01)
    np.testing.assert_allclose(part[1400:], 0, atol=0.01)


def test_a_page_too_long_to_filter_says_so(serve, tmp_path, monkeypatch):
    monkeypatch.setattr("biosig.view.signals.READ", 1000)
    header, _ = serve(eeg_record(tmp_path, n=200_000)).signal(step=1.0, first=0, n=1000, filters="1,-,-")
    assert header["filters"] == "none"
    assert any(note.startswith("NOT FILTERED") for note in header["notes"])


def test_derived_leads_are_named(serve, tmp_path):
    rng = np.random.default_rng(3)
    leads = {lead: rng.integers(-900, 900, 5000) for lead in ("I", "II", "V1", "V2")}
    client = serve(wfdb_record(tmp_path, "limb", leads, 500, "mV"))
    rows = client.json("/api/recordings/0")["groups"][0]["montages"][0]["rows"]
    assert [row["name"] for row in rows if row["note"].startswith("derived")] == ["III", "aVR", "aVL", "aVF"]
    assert [row["name"] for row in rows if not row["present"]] == ["V3", "V4", "V5", "V6"]
    _, arrays = client.signal(step=0.01, first=0, n=100, montage="12 leads")
    one, two = leads["I"][:10] / 1000, leads["II"][:10] / 1000
    np.testing.assert_allclose(
        arrays["values"][2:6, :10], [two - one, -(one + two) / 2, one - two / 2, two - one / 2], atol=1e-6
    )


def test_opening_a_large_file_reads_only_a_little_of_it(serve, tmp_path, monkeypatch):
    path = eeg_record(tmp_path, n=50_000)
    monkeypatch.setattr("biosig.view.library.QUICK", 0)
    assert serve(path).json("/api/recordings/0")["duration"] == 250
    from biosig.opening import quickly

    with quickly():
        assert biosig.read(path, lazy=True).content_hash == ""
    assert len(biosig.read(path, lazy=True).content_hash) == 64


def test_ten_thousand_annotations_are_merged_where_they_are_too_near():
    from biosig.recording import Annotation
    from biosig.view.annotations import within

    everything = [Annotation(0.1 * i, 0.0, f"a{i}") for i in range(10_000)]
    found = within(everything, 0, 1000, 1.0)["annotations"]
    assert len(found) <= 501
    assert sum(each["n"] for each in found) == 10_000
    near = within(everything, 100, 101, 0.001)
    assert [each["label"] for each in near["annotations"]] == [f"a{i}" for i in range(1000, 1010)]
    assert (near["before"], near["after"]) == (pytest.approx(99.9), pytest.approx(101.0))


def test_features_of_the_stretch_have_units(serve):
    path = sorted(samples.path("ptbxl").rglob("*_lr.hea"))[0]
    found = serve(path).json("/api/recordings/0/features", **{"from": 0, "to": 10})
    rate = next(each for each in found["features"] if each["name"] == "ecg.rate")
    assert 30 < rate["value"] < 150
    assert rate["unit"]


def test_the_server_of_recordings_imports_no_torch():
    import subprocess
    import sys

    script = """
import sys, urllib.request
from pathlib import Path
from biosig.cli.view import page_of
from biosig.view.serve import Server

with Server(page_of(Path(sys.argv[1]))) as server:
    address = f"http://127.0.0.1:{server.port}/api/recordings/0"
    request = urllib.request.Request(address, headers={"X-Biosig-Token": server.token})
    assert b"groups" in urllib.request.urlopen(request).read()
    assert not {"torch", "sklearn", "mne"} & set(sys.modules)
"""
    path = sorted(samples.path("eegmmidb").glob("*.edf"))[0]
    subprocess.run([sys.executable, "-c", script, str(path)], check=True)
