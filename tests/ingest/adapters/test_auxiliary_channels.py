"""Channels that are no physiological signal in a file of EEG: named in the notes, and no input of a model."""

from pathlib import Path
from tempfile import TemporaryDirectory

import mne
import numpy as np
import pandas as pd
import pytest
import wfdb
from conftest import write_edf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat
from vendor_files import write_gdf, write_ncs, write_xdf

import biosig
from biosig.electrodes import guess_kinds, kind_beside_eeg
from biosig.errors import UsageError
from biosig.reading import ADAPTERS, read
from ingest.cli.ingest import ingest

ELECTRODES = ["C3", "C4", "O1", "Fp2"]
PLANTED = (
    "x", "y", "vx", "vy", "vz", "targetPosX", "validity", "STATUS", "trigger", "EyeX", "eye_pos_y", "accelerometer",
    "Gizmo 7",
)  # fmt: skip
SFREQ = 200


def counts(names):
    """Tenths of a microvolt, int16, (C, T)."""
    x = np.random.default_rng(0).normal(0, 300, (len(names), 4 * SFREQ))
    return x.astype(np.int16)


def as_raw(names):
    return mne.io.RawArray(counts(names) * 1e-7, mne.create_info(names, float(SFREQ), "eeg"), verbose="error")


def fif(folder, names):
    as_raw(names).save(folder / "a_raw.fif", verbose="error")
    return folder / "a_raw.fif"


def eeglab(folder, names):
    places = [{"labels": name} for name in names]
    eeg = {"setname": "e", "nbchan": len(names), "pnts": 4 * SFREQ, "trials": 1, "srate": float(SFREQ), "xmin": 0.0}
    eeg |= {"xmax": 4.0, "data": counts(names) * 0.1, "chanlocs": places, "event": [], "epoch": []}
    savemat(folder / "e.set", {"EEG": eeg}, appendmat=False)
    return folder / "e.set"


def edf(folder, names):
    return write_edf(
        folder / "a.edf", [(n, "uV", -3276.8, 3276.7, x) for n, x in zip(names, counts(names), strict=True)], 4.0
    )


def gdf(folder, names):
    write_gdf(
        folder / "a.gdf",
        [(n, "uV", x) for n, x in zip(names, counts(names), strict=True)],
        n_records=4,
        events=[(1, 769)],
    )
    return folder / "a.gdf"


def xdf(folder, names):
    times = 1000 + np.arange(4 * SFREQ) / SFREQ
    values = counts(names).T // 10
    write_xdf(folder / "x.xdf", [("amp", "EEG", SFREQ, "int16", names, "uV", times, values)])
    return folder / "x.xdf"


def neuralynx(folder, names):
    (folder / "n").mkdir()
    for name, x in zip(names, counts(names), strict=True):
        write_ncs(folder / "n" / f"{name}.ncs", x, sfreq=SFREQ, inverted=False, step=1e-7)
    return folder / "n"


def of_wfdb(folder, names):
    common = {"fmt": ["16"] * len(names), "adc_gain": [10.0] * len(names), "baseline": [0] * len(names)}
    wfdb.wrsamp("w", SFREQ, ["uV"] * len(names), names, d_signal=counts(names).T, write_dir=str(folder), **common)
    return folder / "w.hea"


def table(folder, names):
    pd.DataFrame(dict(zip(names, counts(names) * 0.1, strict=True))).to_csv(folder / "t.csv", index=False)
    columns = "".join(f"      '{name}': {{unit: uV}}\n" for name in names)
    text = f"record: '(\\w+)\\.csv'\nsignals:\n  - sfreq: {SFREQ}\n    columns:\n{columns}"
    (folder / "biosig.yaml").write_text(text)
    return folder / "t.csv"


WRITERS = {
    "mne": [fif, eeglab],
    "edf": [edf],
    "gdf": [gdf],
    "xdf": [xdf],
    "neuralynx": [neuralynx],
    "wfdb": [of_wfdb],
    "table": [table],
}
OF_ECG_ALONE = {"dicom"}


def test_every_adapter_of_eeg_is_tried():
    assert set(WRITERS) | OF_ECG_ALONE == set(ADAPTERS)


@pytest.mark.parametrize("write", [pytest.param(w, id=w.__name__) for writers in WRITERS.values() for w in writers])
@settings(max_examples=5, deadline=None)
@given(planted=st.lists(st.sampled_from(PLANTED), min_size=1, max_size=6, unique=True))
def test_planted_channels_are_named_and_none_reaches_the_model(tiny_of_eeg, write, planted):
    with TemporaryDirectory() as folder:
        recording = read(write(Path(folder), [*ELECTRODES, *planted])).load()
    notes = " ".join(recording.notes)
    kind = {c.source_name: c.kind for c in recording.channels}
    assert all(f"'{name}'" in notes or kind[name] in ("stim", "acc") for name in planted)
    assert all(c.kind not in ("ecg", "ppg") for c in recording.channels)
    read_by_model = [name for part in tiny_of_eeg.prepare(recording) for name in part.ch_names]
    assert sorted(read_by_model) == sorted(ELECTRODES)
    vectors = biosig.embed(tiny_of_eeg, recording, window=2.0)
    assert vectors["modality"].to_pylist() == ["eeg"] * 2
    assert sorted(vectors["ch_names"][0].as_py()) == sorted(ELECTRODES)


@pytest.fixture(scope="module")
def tiny_of_eeg():
    return biosig.build_model("biosig-tiny")


@pytest.fixture
def recording(tmp_path):
    return read(fif(tmp_path, [*ELECTRODES, "Gizmo 7"]))


def test_what_a_file_calls_eeg_is_stored_and_read_when_somebody_says_so(tiny_of_eeg, recording, tmp_path):
    assert [c.kind for c in recording.channels] == ["eeg"] * 5
    assert [name for p in tiny_of_eeg.prepare(recording, on_unknown="keep") for name in p.ch_names][-1] == "Gizmo 7"
    with pytest.raises(UsageError, match="Channels Gizmo 7 have no known position"):
        tiny_of_eeg.prepare(recording, on_unknown="raise")
    table = biosig.embed(tiny_of_eeg, recording, window=2.0, on_unknown="keep")
    assert table["ch_names"][0].as_py() == [*ELECTRODES, "Gizmo 7"]
    with pytest.raises(UsageError, match="on_unknown is 'maybe'"):
        biosig.embed(tiny_of_eeg, recording, window=2.0, on_unknown="maybe")
    assert ingest((tmp_path / "a_raw.fif",), out=tmp_path / "out", workers=1) == 0
    (stored,) = biosig.open_shards(tmp_path / "out")
    assert [c.source_name for c in stored.channels] == [*ELECTRODES, "Gizmo 7"]


def test_unknown_channels_have_no_part_in_the_scale(tmp_path):
    for folder, names in (("with", [*ELECTRODES, "Gizmo 7"]), ("without", ELECTRODES)):
        (tmp_path / folder).mkdir()
        raw = as_raw([*ELECTRODES, "Gizmo 7"])
        raw.apply_function(lambda x: 50 * x, picks=["Gizmo 7"])
        raw.pick(names).save(tmp_path / folder / "a_raw.fif", verbose="error")
        assert ingest((tmp_path / folder,), out=tmp_path / f"{folder}-out", workers=1) == 0
    scales = [biosig.open_shards(tmp_path / f"{name}-out")[0].read().robust_scale for name in ("with", "without")]
    assert scales[0] == scales[1]


def test_arrays_tell_electrodes_by_name_or_position(tiny_of_eeg):
    signals = np.random.default_rng(0).normal(0, 20, (1, 2, 400)).astype(np.float32)
    given = {"sfreq": 200, "kind": "eeg"}
    by_name = tiny_of_eeg.encode(signals, ch_names=["C3", "Gizmo 7"], **given)
    assert by_name.valid.any(dim=2).tolist() == [[True, False]]
    alone = tiny_of_eeg.encode(signals[:, :1], ch_names=["C3"], **given)
    assert by_name.tokens.shape[1] == 2
    assert (by_name.tokens[:, :1] == alone.tokens).all()
    assert tiny_of_eeg.encode(signals, ch_names=["C3", "Gizmo 7"], on_unknown="keep", **given).valid.all()
    places = [[-0.05, 0.0, 0.09], [0.05, 0.0, 0.09]]
    assert tiny_of_eeg.encode(signals, ch_names=["C3", "Gizmo 7"], positions=places, **given).valid.all()


@pytest.mark.parametrize(
    ("names", "unit", "kinds"),
    [
        (["C3", "C4", "vx", "II"], "uV", ["eeg", "eeg", "misc", "misc"]),
        (["vx", "vy", "x"], "uV", ["misc", "misc", "misc"]),
        (["I", "V1", "vx", "vy"], "uV", ["ecg", "ecg", "ecg", "ecg"]),
        (["i", "ii", "vx", "vy", "vz"], "mV", ["ecg"] * 5),
        (["EEG C3-A2", "ECG", "ECG II"], "uV", ["eeg", "ecg", "ecg"]),
    ],
)
def test_a_bare_name_is_a_lead_where_the_file_is_of_ecg(names, unit, kinds):
    assert guess_kinds(names, [unit] * len(names)) == kinds


@pytest.mark.parametrize("name", ["Fp1.", "EEG 1", "E12", "C3-A2", "EEG Fpz-Cz", "A1", "Pz", "BP3", "V1", "C3-X9"])
def test_names_of_electrodes_and_numbered_inputs_stay_eeg(name):
    assert kind_beside_eeg(name) == "eeg"
