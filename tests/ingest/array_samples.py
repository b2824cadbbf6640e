"""One real ECG (and a PPG) written as researchers export them, each with the mapping that describes it."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import scipy.io
import wfdb
import yaml

from biosig import samples

LEADS = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
ECG = {"kind": "ecg", "unit": "mV", "scale": 0.001}


def integers():
    """Real 12-lead samples, shape (12, 1000), in microvolts, at 100 Hz."""
    path = samples.path("ptbxl") / "records100" / "00000" / "00001_lr"
    return wfdb.rdrecord(str(path), physical=False).d_signal.T.astype(np.int16)


def ecg_values(_):
    return [(name, x / 1000) for name, x in zip(LEADS, integers(), strict=True)]


def describe(folder: Path, pattern: str, *signals, **more):
    (folder / "biosig.yaml").write_text(yaml.safe_dump({"record": pattern, "signals": list(signals), **more}))


def array(axes, name=None, channels=None, default=ECG):
    return {"axes": axes, "channels": channels or LEADS, "default": default, **({"name": name} if name else {})}


def as_npy(folder):
    np.save(folder / "r.npy", integers().T)
    describe(folder, r"(\w+)\.npy", {"sfreq": 100, "array": array(["time", "channel"])})
    return folder / "r.npy"


def as_npy_in_fortran_order(folder):
    np.save(folder / "r.npy", np.asfortranarray(integers().astype(">i4")))
    describe(folder, r"(\w+)\.npy", {"sfreq": 100, "array": array(["channel", "time"])})
    return folder / "r.npy"


def as_npz(folder, save=np.savez_compressed):
    save(folder / "r.npz", X=integers()[None], fs=100.0, leads=np.array(LEADS), age=63, sex="F")
    spec = {"sfreq": "fs", "array": array(["channel", "time"], "X", "leads")}
    describe(folder, r"(\w+)\.npz", spec, subject={"age": "age", "sex": "sex"})
    return folder / "r.npz"


def as_uncompressed_npz(folder):
    return as_npz(folder, np.savez)


def as_matlab(folder):
    struct = {"data": integers().astype(np.float64), "fs": 100.0, "age": 63.0, "sex": "Female"}
    scipy.io.savemat(folder / "r.mat", {"ECG": struct}, do_compression=True)
    spec = {"sfreq": "ECG.fs", "array": array(["channel", "time"], "ECG.data")}
    describe(folder, r"(\w+)\.mat", spec, subject={"age": "ECG.age", "sex": "ECG.sex"})
    return folder / "r.mat"


def as_matlab_73(folder):
    """A file as MATLAB writes it with -v7.3: 512 bytes of its own, axes in reverse, text as UTF-16 codes."""
    with h5py.File(folder / "r.mat", "w", userblock_size=512) as file:
        file["ECG/data"] = integers().T
        file["ECG/fs"] = [[100.0]]
        cells = [file.create_dataset(f"#refs#/{n}", data=[[ord(c)] for c in name]) for n, name in enumerate(LEADS)]
        for cell in cells:
            cell.attrs["MATLAB_class"] = np.bytes_("char")
        names = file.create_dataset("ECG/leads", (1, 12), h5py.ref_dtype)
        names[0] = [cell.ref for cell in cells]
        names.attrs["MATLAB_class"] = np.bytes_("cell")
    with (folder / "r.mat").open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(512))
    describe(folder, r"(\w+)\.mat", {"sfreq": "ECG.fs", "array": array(["channel", "time"], "ECG.data", "ECG.leads")})
    return folder / "r.mat"


def as_hdf5(folder):
    with h5py.File(folder / "r.h5", "w") as file:
        data = file.create_dataset(
            "exam/ecg", data=integers().T.astype(np.float32), chunks=(300, 5), compression="gzip"
        )
        data.attrs["fs"] = 100.0
        file["exam/leads"] = LEADS
    describe(
        folder, r"(\w+)\.h5", {"sfreq": "exam/ecg@fs", "array": array(["time", "channel"], "exam/ecg", "exam/leads")}
    )
    return folder / "r.h5"


def as_parquet(folder):
    frame = pd.DataFrame(dict(zip(LEADS, integers(), strict=True)), dtype=np.int64)
    frame.insert(0, "t", np.arange(1000) * 10)
    frame.to_parquet(folder / "r.parquet")
    columns = {"time": "t", "time_unit": "ms", "columns": dict.fromkeys(LEADS, ECG)}
    describe(folder, r"(\w+)\.parquet", columns)
    return folder / "r.parquet"


def as_raw(folder):
    (folder / "r.bin").write_bytes(b"head" + integers().T.astype(">i2").tobytes())
    spec = {"sfreq": 100, "raw": {"dtype": ">i2", "skip": 4}, "array": array(["time", "channel"])}
    describe(folder, r"(\w+)\.bin", spec)
    return folder / "r.bin"


def camera():
    """Times in milliseconds and values of a real PPG, as if a phone's camera had seen it; 1.5 s are lost."""
    path = next(samples.path("bidmc").glob("bidmc_01_Signals.csv*"))
    table = pd.read_csv(path, skipinitialspace=True)
    times = np.cumsum(np.random.default_rng(0).integers(28, 39, 2000))
    times = times[(times < 20_000) | (times > 21_500)]
    return times, np.interp(times / 1000, table["Time [s]"], table["PLETH"])


def as_irregular_csv(folder):
    times, values = camera()
    pd.DataFrame({"time": times, "PLETH": values}).to_csv(folder / "r.csv", index=False)
    spec = {"time": "time", "time_unit": "ms", "regularise": {"sfreq": 30, "longest_gap": 0.2}}
    describe(folder, r"(\w+)\.csv", {**spec, "columns": {"PLETH": {"kind": "ppg", "unit": "NU"}}})
    return folder / "r.csv"


def interpolated_values(_):
    times, values = camera()
    grid = np.arange(int((times[-1] - times[0]) / 1000 * 30) + 1) / 30
    out = np.interp(grid, (times - times[0]) / 1000, values)
    lost = (grid * 1000 + times[0] > times[times < 20_000][-1]) & (grid * 1000 + times[0] < times[times > 21_500][0])
    return [("PLETH", np.where(lost, np.nan, out))]


def as_dicom(_):
    """The ECG that comes with pydicom, from an electrocardiograph of 2013."""
    from pydicom.data import get_testdata_file

    return Path(get_testdata_file("waveform_ecg.dcm", download=False))


def by_pydicom(path):
    import pydicom

    dataset = pydicom.dcmread(path)
    channels = dataset.WaveformSequence[0].ChannelDefinitionSequence
    names = [channel.ChannelSourceSequence[0].CodeMeaning for channel in channels]
    return list(zip(names, dataset.waveform_array(0).T / 1000, strict=True))
