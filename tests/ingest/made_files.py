"""One made recording as a file of each format: two ECG leads at 100 Hz in steps of 0.2 mV: 16 bits hold ±4 V."""

import mne
import numpy as np
import pandas as pd
import wfdb
import yaml
from scipy.io import savemat
from vendor_files import write_edf, write_gdf, write_ncs, write_xdf

SFREQ = 100
STEP = 0.2
LEADS = ("V1", "V2")


def counts(n_times=3000):
    """Integers of both leads, shape (2, T)."""
    return np.random.default_rng(0).normal(0, 5, (2, n_times)).round().astype(np.int16)


def _described(folder, name, x, save, spec):
    save(folder / name, x)
    signals = {"sfreq": SFREQ, **spec}
    mapping = {"record": rf"(\w+)\.{name.partition('.')[2]}", "signals": [signals]}
    (folder / "biosig.yaml").write_text(yaml.safe_dump(mapping))
    return folder / name


def as_array(folder, x):
    axes = {"axes": ["channel", "time"], "channels": list(LEADS), "default": {"kind": "ecg", "unit": "mV"}}
    return _described(folder, "r.npy", x * STEP, np.save, {"array": axes})


def as_matlab(folder, x):
    axes = {"axes": ["channel", "time"], "name": "x", "channels": list(LEADS), "default": {"kind": "ecg", "unit": "mV"}}
    return _described(folder, "r.mat", x * STEP, lambda path, y: savemat(path, {"x": y}), {"array": axes})


def as_text(folder, x):
    columns = {lead: {"kind": "ecg", "unit": "mV"} for lead in LEADS}

    def save(path, y):
        pd.DataFrame(dict(zip(LEADS, y, strict=True))).to_csv(path, index=False)

    return _described(folder, "r.csv", x * STEP, save, {"columns": columns})


def as_stamped_text(folder, x, stamps, **more):
    """A table with a column of time stamps."""
    rows = dict(zip(("t", *LEADS), (np.round(stamps, 6), *(x * STEP)), strict=True))
    pd.DataFrame(rows).to_csv(folder / "r.csv", index=False)
    columns = {lead: {"kind": "ecg", "unit": "mV"} for lead in LEADS}
    mapping = {"record": r"(\w+)\.csv", "signals": [{"time": "t", "time_unit": "s", "columns": columns, **more}]}
    (folder / "biosig.yaml").write_text(yaml.safe_dump(mapping))
    return folder / "r.csv"


def as_fif(folder, x):
    info = mne.create_info(list(LEADS), SFREQ, "ecg")
    mne.io.RawArray(x * STEP / 1e3, info, verbose="error").save(
        folder / "r_raw.fif", fmt="double", overwrite=True, verbose="error"
    )
    return folder / "r_raw.fif"


def as_wfdb(folder, x):
    wfdb.wrsamp(
        "r", SFREQ, ["mV"] * 2, list(LEADS), d_signal=x.T.astype(np.int64), fmt=["16"] * 2, adc_gain=[1 / STEP] * 2,
        baseline=[0, 0], write_dir=str(folder),
    )  # fmt: skip
    return folder / "r.hea"


def as_edf(folder, x, **more):
    rows = [(f"ECG {lead}", "mV", -6553.6, 6553.4, y) for lead, y in zip(LEADS, x, strict=True)]
    return write_edf(folder / "r.edf", rows, n_records=x.shape[1] // SFREQ, **more)


def as_bdf(folder, x):
    limits = -(2**23) * STEP, (2**23 - 1) * STEP
    rows = [(f"ECG {lead}", "mV", *(f"{end:.0f}" for end in limits), y) for lead, y in zip(LEADS, x, strict=True)]
    return write_edf(folder / "r.bdf", rows, n_records=x.shape[1] // SFREQ, bdf=True)


def as_gdf(folder, x):
    write_gdf(
        folder / "r.gdf", [(f"ECG {lead}", "mV", y) for lead, y in zip(LEADS, x, strict=True)], x.shape[1] // SFREQ
    )
    return folder / "r.gdf"


def as_xdf(folder, x, stamps=None):
    stamps = 50 + np.arange(x.shape[1]) / SFREQ if stamps is None else stamps
    write_xdf(folder / "r.xdf", [("heart", "ECG", SFREQ, "double64", LEADS, "mV", stamps, x.T * STEP)])
    return folder / "r.xdf"


def as_neuralynx(folder, x):
    (folder / "n").mkdir(exist_ok=True)
    for lead, y in zip(LEADS, x, strict=True):
        write_ncs(folder / "n" / f"ECG {lead}.ncs", y, sfreq=SFREQ, inverted=False, step=STEP / 1e3)
    return folder / "n"


def as_dicom(folder, x):
    import array_samples as exports
    import pydicom

    dataset = pydicom.dcmread(exports.as_dicom(None))
    (group, *_) = dataset.WaveformSequence
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples, group.SamplingFrequency = 2, x.shape[1], SFREQ
    group.ChannelDefinitionSequence = list(group.ChannelDefinitionSequence)[6:8]
    for channel in group.ChannelDefinitionSequence:
        channel.ChannelSensitivity, channel.ChannelSensitivityCorrectionFactor = "200", "1"
    group.WaveformData = x.T.astype("<i2").tobytes()
    dataset.WaveformSequence = [group]
    if "WaveformAnnotationSequence" in dataset:
        del dataset.WaveformAnnotationSequence
    dataset.save_as(folder / "r.dcm")
    return folder / "r.dcm"


FORMATS = {
    "array": as_array, "matlab": as_matlab, "text": as_text, "fif": as_fif, "wfdb": as_wfdb, "edf": as_edf,
    "bdf": as_bdf, "gdf": as_gdf, "xdf": as_xdf, "neuralynx": as_neuralynx, "dicom": as_dicom,
}  # fmt: skip
