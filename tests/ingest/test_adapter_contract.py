"""Contract for a recording of every installed adapter, before a shard and after it.

An adapter joins by a line in `SAMPLES`: a real file of its family, and another reader's values of it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import array_samples as exports
import mne
import numpy as np
import pandas as pd
import pytest
import wfdb
from contracts.adapters import check
from contracts.planted import planted
from scipy.io import savemat
from vendor_files import write_gdf, write_ncs, write_xdf

from biosig import samples
from biosig.errors import UsageError
from biosig.reading import ADAPTERS, Adapter, Signals, make_recording, read
from biosig.recording import Annotation

PTBXL = samples.path("ptbxl") / "records100" / "00000"


def by_wfdb(path):
    record = wfdb.rdrecord(str(path.with_suffix("")))
    return list(zip(record.sig_name, record.p_signal.T, strict=True))


def by_mne(path):
    raw = mne.io.read_raw(path, preload=True, verbose="error")
    return list(zip(raw.ch_names, raw.get_data() * 1e6, strict=True))


def by_pandas(path):
    tables = [pd.read_csv(next(path.parent.glob(f"{path.name[:8]}_{what}.*"))) for what in ("Signals", "Numerics")]
    return [(name.strip(), table[name].to_numpy()) for table in tables for name in table if "Time" not in name]


def eegmmidb():
    return mne.io.read_raw_edf(samples.path("eegmmidb") / "S001R04.edf", preload=True, verbose="error")


def in_volts(_):
    raw = eegmmidb()
    return list(zip(raw.ch_names, raw.get_data() * 1e6, strict=True))


def as_fif(folder):
    eegmmidb().save(folder / "S001R04_raw.fif", verbose="error")
    return folder / "S001R04_raw.fif"


def as_brainvision(folder):
    raw = eegmmidb()
    microvolts = np.round(raw.get_data() * 1e6)
    microvolts.T.astype("<i2").tofile(folder / "b.eeg")
    channels = [f"Ch{i}={name},,1,µV" for i, name in enumerate(raw.ch_names, 1)]
    head = ["Brain Vision Data Exchange Header File Version 1.0", "[Common Infos]", "Codepage=UTF-8", "DataFile=b.eeg"]
    head += [
        "MarkerFile=b.vmrk",
        "DataFormat=BINARY",
        "DataOrientation=MULTIPLEXED",
        f"NumberOfChannels={len(channels)}",
    ]
    head += ["SamplingInterval=6250", "[Binary Infos]", "BinaryFormat=INT_16", "[Channel Infos]", *channels, ""]
    (folder / "b.vhdr").write_text("\n".join(head), encoding="utf-8")
    marks = [
        "Brain Vision Data Exchange Marker File, Version 1.0",
        "[Common Infos]",
        "Codepage=UTF-8",
        "DataFile=b.eeg",
    ]
    marks += ["[Marker Infos]", "Mk1=Stimulus,S  1,1601,1,0", "Mk2=Comment,blink,3201,160,0", ""]
    (folder / "b.vmrk").write_text("\n".join(marks), encoding="utf-8")
    return folder / "b.vhdr"


def as_eeglab(folder):
    raw = eegmmidb()
    places = [{"labels": name} for name in raw.ch_names]
    data = raw.get_data() * 1e6
    data.T.astype("<f4").tofile(folder / "e.fdt")
    eeg = {"setname": "e", "nbchan": len(data), "pnts": data.shape[1], "trials": 1, "srate": 160.0, "xmin": 0.0}
    eeg |= {"xmax": data.shape[1] / 160, "data": "e.fdt", "chanlocs": places, "event": [], "epoch": []}
    savemat(folder / "e.set", {"EEG": eeg}, appendmat=False)
    return folder / "e.set"


def as_edf_with_a_gap(folder):
    """The first 40 records of an EDF+ file, with 3.5 s between two of them."""
    raw = (samples.path("eegmmidb") / "S001R04.edf").read_bytes()
    n = int(raw[252:256])
    head, record = 256 * (n + 1), 2 * 160 * (n - 1) + 2 * int(raw[256 + 216 * n + 8 * (n - 1) :][:8])
    body = [raw[head + i * record : head + (i + 1) * record] for i in range(40)]
    notes = [f"+{i + 3.5 * (i >= 25):g}\x14\x14\x00".encode().ljust(record - 320 * (n - 1), b"\0") for i in range(40)]
    body = [data[: 320 * (n - 1)] + note for data, note in zip(body, notes, strict=True)]
    (folder / "gap.edf").write_bytes(raw[:192] + b"EDF+D" + raw[197:236] + b"40      " + raw[244:head] + b"".join(body))
    return folder / "gap.edf"


def with_a_gap(path):
    gap = np.full(560, np.nan)
    return [(name, np.r_[x[:4000], gap, x[4000:6400]]) for name, x in in_volts(path)]


def as_segments(folder):
    """A gap, six leads, a gap, the same and two more leads at twice the gain, in another order."""
    record = wfdb.rdrecord(str(PTBXL / "00001_lr"), physical=False)
    leads = record.sig_name
    for name, rows, start, stop, gain in (("a", range(6), 0, 300, 1), ("b", (7, 6, 5, 4, 3, 2, 1, 0), 400, 1000, 2)):
        wfdb.wrsamp(
            name,
            fs=100,
            units=["mV"] * len(rows),
            sig_name=[leads[row] for row in rows],
            d_signal=record.d_signal[start:stop, rows] * gain,
            fmt=["16"] * len(rows),
            adc_gain=[1000.0 * gain] * len(rows),
            baseline=[0] * len(rows),
            write_dir=str(folder),
        )
    layout = [f"~ 0 1000/mV 16 0 0 0 0 {lead}" for lead in leads[:8]]
    (folder / "m_layout.hea").write_text("\n".join(["m_layout 8 100 0", *layout, ""]))
    (folder / "m.hea").write_text("m/5 8 100 1050\nm_layout 0\n~ 50\na 300\n~ 100\nb 600\n")
    return folder / "m.hea"


def as_xdf(folder):
    raw = eegmmidb()
    times = 1000 + np.arange(raw.n_times) / 160
    values = np.round(raw.get_data() * 1e6).T
    write_xdf(folder / "x.xdf", [("amp", "EEG", 160, "int16", raw.ch_names, "uV", times, values)])
    return folder / "x.xdf"


def as_neuralynx(folder):
    (folder / "n").mkdir()
    for name, x in in_volts(None)[::8]:
        write_ncs(folder / "n" / f"{name}.ncs", np.round(x).astype(np.int16), sfreq=160, inverted=False, step=1e-6)
    return folder / "n"


def as_gdf(folder):
    signals = [(name, "uV", np.round(x[:10560] * 10)) for name, x in in_volts(None)]
    write_gdf(folder / "g.gdf", signals, n_records=66, events=[(800, 769), (4000, 770)])
    return folder / "g.gdf"


def every_eighth(path):
    return in_volts(path)[::8]


@dataclass(frozen=True)
class Sample:
    make: Callable[[Path], Path]
    """The file; a folder is given in which it may be written."""
    values: Callable[[Path], list[tuple[str, np.ndarray]]]
    """Every channel's name in the file and values in our unit, in the file's order, by another reader."""
    exact: bool = True
    """Whether the adapter keeps the file's own integers."""


SAMPLES = {
    "wfdb": [Sample(lambda _: PTBXL / "00001_lr.hea", by_wfdb), Sample(as_segments, by_wfdb)],
    "edf": [Sample(lambda _: samples.path("eegmmidb") / "S001R04.edf", by_mne), Sample(as_edf_with_a_gap, with_a_gap)],
    "mne": [
        Sample(as_fif, in_volts, exact=False),
        Sample(as_brainvision, in_volts, exact=False),
        Sample(as_eeglab, in_volts, exact=False),
    ],
    "gdf": [Sample(as_gdf, lambda path: [(name, x[:10560]) for name, x in in_volts(path)])],
    "xdf": [Sample(as_xdf, in_volts)],
    "neuralynx": [Sample(as_neuralynx, every_eighth)],
    "table": [
        Sample(lambda _: samples.path("bidmc") / "bidmc_01_Signals.csv.gz", by_pandas),
        Sample(exports.as_npy, exports.ecg_values),
        Sample(exports.as_npy_in_fortran_order, exports.ecg_values),
        Sample(exports.as_npz, exports.ecg_values),
        Sample(exports.as_uncompressed_npz, exports.ecg_values),
        Sample(exports.as_matlab, exports.ecg_values, exact=False),
        Sample(exports.as_matlab_73, exports.ecg_values),
        Sample(exports.as_hdf5, exports.ecg_values, exact=False),
        Sample(exports.as_parquet, exports.ecg_values),
        Sample(exports.as_raw, exports.ecg_values),
        Sample(exports.as_irregular_csv, exports.interpolated_values, exact=False),
    ],
    "dicom": [Sample(exports.as_dicom, exports.by_pydicom)],
}
CASES = [pytest.param(name, s, id=f"{name}-{i}") for name in SAMPLES for i, s in enumerate(SAMPLES[name])]


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_every_adapter_has_a_sample(name):
    assert SAMPLES.get(name), f"give adapter '{name}' a real file in SAMPLES, so that the contract is tested on it"


@pytest.mark.parametrize(("name", "sample"), CASES)
def test_the_contract(name, sample, tmp_path):
    path = sample.make(tmp_path)
    check(name, path, sample.values(path), sample.exact, tmp_path / "out")


class Sound(Adapter):
    """A text file: a line of names, then a line of microvolts for each moment."""

    name = "planted"
    describes = "planted files"
    suffixes = (".planted",)

    def read_recording(self, path, *, lazy):
        names, *rows = path.read_text().splitlines()
        samples = np.array([row.split() for row in rows], np.int64).T
        return make_recording(path, self.name, [Signals(100.0, names.split(), "uV", samples)])


class Greedy(Sound):
    def claims(self, path):
        return True


class Scaled(Sound):
    def read_recording(self, path, *, lazy):
        recording = super().read_recording(path, lazy=lazy)
        recording.streams[0].scale *= 2
        return recording


class Unhashed(Sound):
    def read_recording(self, path, *, lazy):
        return replace(super().read_recording(path, lazy=lazy), content_hash="0" * 64)


class Late(Sound):
    def read_recording(self, path, *, lazy):
        recording = super().read_recording(path, lazy=lazy)
        recording.annotations = [Annotation(recording.duration + 1, 0.0, "after the end")]
        return recording


class OtherwiseLazy(Sound):
    def read_recording(self, path, *, lazy):
        recording = super().read_recording(path, lazy=lazy)
        if lazy:
            recording.streams[0].samples = recording.streams[0].samples[:, ::-1].copy()
        return recording


@pytest.fixture
def check_planted(tmp_path, ecg):
    """Registers an adapter and checks it on a file with real samples."""

    def check_on_a_file(adapter):
        path = tmp_path / "p.planted"
        samples_ = (ecg.streams[0].physical()[:3] * 1000).round().astype(int)
        path.write_text("\n".join(["Fp1 Fp2 Cz", *(" ".join(map(str, row)) for row in samples_.T), ""]))
        names = ("Fp1", "Fp2", "Cz")
        with planted(ADAPTERS, adapter) as name:
            check(name, path, list(zip(names, samples_.astype(float), strict=True)), True, tmp_path / "out")

    return check_on_a_file


def test_an_adapter_more_is_found_by_itself(check_planted):
    check_planted(Sound)


class Foreign:
    name = "planted"


@pytest.mark.parametrize("broken", [Greedy, Scaled, Unhashed, Late, OtherwiseLazy, Foreign])
def test_an_adapter_that_breaks_the_contract_fails_it(check_planted, broken):
    with pytest.raises((AssertionError, UsageError)):
        check_planted(broken)


def test_options_that_a_format_does_not_take_are_named():
    path = samples.path("eegmmidb") / "S001R04.edf"
    with pytest.raises(TypeError, match=r"The adapter 'edf' takes no options, not mapping\."):
        read(path, mapping="m.yaml")
    with pytest.raises(TypeError, match=r"The adapter 'table' takes mapping= and member=, not columns\."):
        read(samples.path("bidmc") / "bidmc_01_Signals.csv.gz", columns=3)
