"""Quality of the EEG and PPG features: rest against imagery, pulses and rates against the ECG beside them.

EEG: 4-s windows from every event of EEG Motor Movement/Imagery, runs R04 and R06, 64 channels; L2-regularised logistic
regression on standardised features, leave one subject out, its penalty by leave-one-subject-out among the training
subjects; AUROC per subject, mean and 95 % bootstrap interval over subjects.

PPG: BIDMC in stretches of 10 s; rate against the median RR of the ECG in the same stretch and against the monitor's
heart rate, mean absolute error per patient, mean and interval over patients; pulses of the whole record against its
beats, within 150 ms of the delay, of 0 to 0.8 s, at which most do. NeuroKit2's Elgendi and Charlton (MSPTDfast) find
pulses of the same stretches, after its own cleaning. Breaths: stretches of 60 s against the monitor's respiratory rate.
Records of one patient count as one.
"""

from __future__ import annotations

import argparse
import re
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

import biosig
from biosig.electrodes import make_channel
from biosig.features import delineate, extract
from biosig.recording import Channel, Recording, Stream

PENALTIES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
SETS = {
    "all": "",
    "band powers and Hjorth": r"\.(power_|hjorth)",
    "virtual channels": r"\.virtual_",
    "free of gain": r"\.(share_|region_share|theta_beta|slow_fast|aperiodic_exp|peak|hjorth_[mc])",
}


def interval(values: np.ndarray) -> str:
    """Mean and 95 % bootstrap interval."""
    some = np.random.default_rng(0).choice(values, (4000, len(values))).mean(1)
    return f"{values.mean():.3f} ({np.quantile(some, 0.025):.3f}–{np.quantile(some, 0.975):.3f})"


def imagery(folder: Path) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Features of each window, whether it is imagery, and its subject."""
    rows, labels, subjects = [], [], []
    for file in sorted(folder.glob("S???R0[46].edf")):
        recording = biosig.read(file).load()
        for event in recording.annotations:
            if event.onset + 4 <= recording.duration:
                rows.append(extract(recording.crop(event.onset, 4.0), ["eeg"]))
                labels.append(event.label != "T0")
                subjects.append(file.name[:4])
    return pd.DataFrame(rows).reset_index(drop=True), np.array(labels, int), np.array(subjects)


def decide(x: np.ndarray, y: np.ndarray, test: np.ndarray, penalties: tuple[float, ...]) -> list[np.ndarray]:
    """Decision values of the test rows for each penalty."""
    mean, deviation = x.mean(0), x.std(0) + 1e-12
    x, test = (np.clip((part - mean) / deviation, -6, 6) for part in (x, test))
    values, vectors = np.linalg.eigh(x @ x.T)  # many more columns than rows: the same model on rotated rows
    kept = values > 1e-6 * values.max()
    turn = x.T @ vectors[:, kept] / np.sqrt(values[kept])
    return [
        LogisticRegression(C=penalty, max_iter=500).fit(x @ turn, y).decision_function(test @ turn)
        for penalty in penalties
    ]


def by_subject(x: np.ndarray, y: np.ndarray, subjects: np.ndarray) -> np.ndarray:
    """AUROC of each subject by a model of all others."""
    out = []
    for subject in np.unique(subjects):
        train, test = subjects != subject, subjects == subject
        inner = np.zeros(len(PENALTIES))
        for left_out in np.unique(subjects[train]):
            a, b = train & (subjects != left_out), subjects == left_out
            inner += [roc_auc_score(y[b], scores) for scores in decide(x[a], y[a], x[b], PENALTIES)]
        best = PENALTIES[int(inner.argmax())]
        out.append(roc_auc_score(y[test], decide(x[train], y[train], x[test], (best,))[0]))
    return np.array(out)


def eeg(folder: Path) -> None:
    """Print the table of rest against imagery."""
    table, y, subjects = imagery(folder)
    print(f"rest against imagery: {len(table)} windows, {len(np.unique(subjects))} subjects\n")
    print("| features | columns | AUROC |\n|---|---|---|")
    for name, pattern in SETS.items():
        x = table[[column for column in table if re.search(pattern, column)]].to_numpy()
        x = x[:, np.isfinite(x).mean(0) > 0.9]
        x = np.where(np.isfinite(x), x, np.nanmedian(x, axis=0))
        print(f"| {name} | {x.shape[1]} | {interval(by_subject(x, y, subjects))} |", flush=True)


def eeg_speed() -> None:
    """Print how much faster than real time 64 channels at 160 Hz are measured."""
    names = [name for kind, name in biosig.electrodes.VOCABULARY if kind == "eeg" and "-" not in name][:64]
    channels = tuple(make_channel(name, "uV", "eeg") for name in names)
    x = np.cumsum(np.random.default_rng(0).standard_normal((64, 60 * 160)), axis=1).astype(np.float32)
    whole = Recording("made", [Stream(160.0, channels, x, np.ones(64), np.zeros(64))])
    print("\n| window | columns | times real time, one core |\n|---|---|---|")
    for seconds in (4.0, 10.0, 60.0):
        window = whole.crop(0.0, seconds)
        n, taken = len(extract(window)), []
        for _ in range(7):
            began = time.process_time()
            extract(window)
            taken.append(time.process_time() - began)
        print(f"| {seconds:g} s | {n} | {seconds / np.median(taken):.0f} |")


def patients(folder: Path) -> Iterator[tuple[str, Recording, pd.DataFrame]]:
    """Patient, recording of PPG and ECG, and the monitor's numbers each second."""
    files = {re.search(r"bidmc_\d+", file.name)[0]: file for file in sorted(folder.glob("bidmc_*_Signals.csv*"))}
    for name, file in files.items():
        table = pd.read_csv(file).rename(columns=str.strip)
        leads = [column for column in table if column in ("I", "II", "III", "V", "AVR", "AVL", "AVF", "MCL")]
        channels = (*(make_channel(lead, "mV", "ecg") for lead in leads), Channel("finger", "PLETH", "ppg", "NU"))
        x = table[[*leads, "PLETH"]].to_numpy(np.float32).T
        stream = Stream(125.0, channels, np.ascontiguousarray(x), np.ones(len(x)), np.zeros(len(x)))
        numbers = pd.read_csv(next(folder.glob(f"{name}_Numerics.csv*"))).rename(columns=str.strip)
        patient = re.search(r"MIMIC II matched wdb ID:\s*(\w+)", (folder / f"{name}_Fix.txt").read_text())[1]
        yield patient, Recording(name, [stream]), numbers


def rates(recording: Recording) -> dict[str, float]:
    """Pulse rate by our features and by two detectors of NeuroKit2."""
    import neurokit2

    stream = next(recording.of_kind("ppg"))
    found = {"biosig (Elgendi)": extract(recording, ["ppg"])["ppg.rate"]}
    cleaned = neurokit2.ppg_clean(stream.physical()[0], stream.sfreq, method="elgendi")
    for method in ("elgendi", "charlton"):
        peaks = neurokit2.ppg_findpeaks(cleaned, round(stream.sfreq), method=method)["PPG_Peaks"]
        found[f"NeuroKit2 {method}"] = 60 * stream.sfreq / np.median(np.diff(peaks)) if len(peaks) > 1 else np.nan
    return found


def ppg(folder: Path) -> None:
    """Print the table of pulses and rates against the ECG."""
    rows = []
    for patient, recording, monitor in patients(folder):
        beats = np.array([mark.onset for mark in delineate(recording, "ecg") if mark.label == "beat"])
        pulses = np.array([mark.onset for mark in delineate(recording, "ppg") if mark.label == "peak"])
        shifts = [np.abs(pulses[:, None] - delay - beats[None]) for delay in np.arange(0.0, 0.8, 0.05)]
        apart = max(shifts, key=lambda apart: (apart.min(1) < 0.15).mean())
        errors: dict[str, list[float]] = {}
        for start in range(0, int(recording.duration) - 9, 10):
            inside = beats[(beats >= start) & (beats < start + 10)]
            ecg = 60 / np.median(np.diff(inside)) if len(inside) > 2 else np.nan
            shown = np.nanmedian(monitor["HR"][start : start + 10])
            for name, rate in rates(recording.crop(start, 10.0)).items():
                errors.setdefault(f"rate of 10 s, {name}, against the ECG, MAE 1/min", []).append(abs(rate - ecg))
                errors.setdefault(f"rate of 10 s, {name}, against the monitor, MAE 1/min", []).append(abs(rate - shown))
        for start in range(0, int(recording.duration) - 59, 60):
            breaths = extract(recording.crop(start, 60.0), ["ppg"])["ppg.breaths"]
            shown = np.nanmedian(monitor["RESP"][start : start + 60])
            errors.setdefault("breaths of 60 s against the monitor, MAE 1/min", []).append(abs(breaths - shown))
            errors.setdefault("stretches of 60 s with breaths", []).append(float(np.isfinite(breaths)))
        rows.append(
            {
                "patient": patient,
                **{
                    name: np.nanmean(values) if np.isfinite(values).any() else np.nan for name, values in errors.items()
                },
                "beats with a pulse (sensitivity)": (apart.min(0) < 0.15).mean(),
                "pulses with a beat (precision)": (apart.min(1) < 0.15).mean(),
            }
        )
        print(recording.id, *(f"{value:.3f}" for value in list(rows[-1].values())[1:]), flush=True)
    table = pd.DataFrame(rows).groupby("patient").mean()
    print(f"\n{len(rows)} records of {len(table)} patients\n\n| measure | mean (95 %) | median |\n|---|---|---|")
    for name in table:
        some = table[name].dropna()
        print(f"| {name} | {interval(some.to_numpy())} | {some.median():.3f} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with eegmmidb and bidmc in it")
    parser.add_argument("--only", choices=("eeg", "speed", "ppg"))
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    if args.only in (None, "ppg"):
        ppg(args.data / "bidmc" / "bidmc_csv")
    if args.only in (None, "speed"):
        eeg_speed()
    if args.only in (None, "eeg"):
        eeg(args.data / "eegmmidb")


if __name__ == "__main__":
    main()
