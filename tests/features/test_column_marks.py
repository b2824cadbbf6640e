"""What the registry says that a column hangs on, tried on real recordings whose gain or leads are changed."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import biosig
from biosig import samples
from biosig.features import columns, extract

ECG = sorted(samples.path("ptbxl").rglob("*_lr.hea"))[:8]
LIMB = {"III": (-1, 1), "aVR": (-0.5, -0.5), "aVL": (1, -0.5), "aVF": (-0.5, 1)}  # of I and II
MARKS = {f"{kind}.{column.name}": column for kind in ("ecg", "eeg") for column in columns(kind)}


def changed(recording, matrix):
    """The recording with its leads (in its own order) replaced by mixtures of them."""
    (stream,) = recording.streams
    mixed = (matrix @ stream.physical().astype(np.float64)).astype(np.float32)
    return replace(
        recording, streams=[replace(stream, samples=mixed, scale=np.ones(len(mixed)), offset=np.zeros(len(mixed)))]
    )


def remixed(recording, angle=0.5, shift=0.6):
    """The heart turned in the frontal plane, the chest electrodes moved towards the next: Einthoven's law holds."""
    names = [channel.name for channel in recording.channels]
    rows = {name: np.eye(12)[names.index(name)] for name in names}
    out = dict(rows)
    x, y = rows["I"], (2 * rows["II"] - rows["I"]) / 3**0.5
    out["I"] = np.cos(angle) * x - np.sin(angle) * y
    out["II"] = 0.5 * out["I"] + 3**0.5 / 2 * (np.sin(angle) * x + np.cos(angle) * y)
    for lead, (one, two) in LIMB.items():
        out[lead] = one * out["I"] + two * out["II"]
    for n in range(1, 6):
        out[f"V{n}"] = (1 - shift) * rows[f"V{n}"] + shift * rows[f"V{n + 1}"]
    return changed(recording, np.stack([out[name] for name in names]))


def table(rows):
    return pd.DataFrame([dict(row) for row in rows])


@pytest.fixture(scope="module")
def recordings():
    return [biosig.read(path) for path in ECG]


@pytest.fixture(scope="module")
def measured(recordings):
    return table(map(extract, recordings))


def marks(names, mark):
    return np.array([getattr(MARKS[name.split("[")[0]], mark) for name in names])


def test_a_gain_of_the_recording_changes_columns_of_amplitude_alone(recordings, measured):
    louder = table(extract(changed(recording, 1.3 * np.eye(12))) for recording in recordings)[measured.columns]
    differs = ~np.isclose(louder, measured, rtol=1e-3, atol=1e-3, equal_nan=True).all(axis=0)
    of_amplitude = marks(measured.columns, "amplitude")
    assert not list(measured.columns[differs & ~of_amplitude])
    assert differs[of_amplitude].mean() > 0.5  # the others are angles and criteria that nobody here comes near


def test_a_gain_of_the_recording_leaves_ratios_and_gains_of_channels_do_not():
    eeg = biosig.read(sorted(samples.path("eegmmidb").rglob("*R04.edf"))[0]).load().crop(0, 10)
    before = extract(eeg, ["eeg"])
    n = len(eeg.channels)
    assert n == len(eeg.streams[0].channels)
    louder = extract(changed(eeg, 1.3 * np.eye(n)), ["eeg"])
    uneven = extract(changed(eeg, np.diag(np.linspace(0.5, 2, n))), ["eeg"])
    ratio, of_amplitude = (marks(before.index, mark) for mark in ("ratio", "amplitude"))
    assert ratio.sum() > 20
    assert not (ratio & ~of_amplitude).any()
    np.testing.assert_allclose(louder[ratio], before[ratio], rtol=1e-3, atol=1e-3)
    assert (abs(louder - before)[of_amplitude & ~ratio].dropna() > 0.2).mean() > 0.9
    assert (abs(uneven - before)[ratio] > 1e-2).mean() > 0.5


def test_mixed_leads_leave_columns_of_time_alone_where_they_were(recordings, measured):
    other = table(map(extract, map(remixed, recordings)))[measured.columns]
    spread = measured.std().to_numpy() + 1e-9
    moved = ((other - measured).abs().median() / spread).to_numpy()
    timing = marks(measured.columns, "timing")
    assert np.nanmax(moved[timing]) < 0.5
    shapes = np.isfinite(moved) & ~timing & (measured.columns.str.contains(r"\[(?:I|III|aVL)\]"))
    assert np.median(moved[shapes]) > 0.3
    assert np.nanmedian(moved[timing]) < 0.05


def test_criteria_of_time_alone_are_found_by_what_they_look_at():
    found = {name: column.timing for name, column in MARKS.items() if name.startswith("ecg.score_")}
    for name in ("qrs_120", "av_block_1", "tachycardia", "irregular", "atrial_fibrillation", "qtc_450"):
        assert found[f"ecg.score_{name}"], name
    for name in ("rbbb", "lbbb", "left_axis", "sinus", "normal", "lvh_sokolow", "ventricular_flutter", "qrs_t_angle"):
        assert not found.get(f"ecg.score_{name}", False), name
    assert not any(column.amplitude and column.timing for column in MARKS.values())
