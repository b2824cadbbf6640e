"""A day of ECG gives a row, and the package opens without heavy imports."""

import subprocess
import sys

import numpy as np
import pytest
from made_ecg import SINUS, heart, recording, regular, twelve

from biosig.features import extract


def tiled(seconds, sfreq, rows):
    """A minute of ECG repeated, with noise that does not repeat."""
    minute = twelve(heart(regular(0.8, 60.0, 0.4), SINUS, 60.0, sfreq))[rows].astype(np.float32)
    x = np.tile(minute, seconds // 60)
    x += np.random.default_rng(0).standard_normal(x.shape, np.float32) * 0.01
    return recording(x, sfreq, names=[("I", "II", "V5")[i] for i in range(len(rows))])


def test_an_hour_is_measured_in_blocks_without_a_seam():
    row = extract(tiled(3600, 125.0, [0, 1]))
    assert row["ecg.n_beats"] == pytest.approx(4500, abs=2)
    assert row["ecg.rr_max"] < 830
    assert row["ecg.rr_min"] > 770
    assert row["ecg.sdnn"] < 6


@pytest.mark.slow
def test_a_day_gives_a_row():
    row = extract(tiled(24 * 3600, 125.0, [0, 1]))
    assert row["ecg.n_beats"] == pytest.approx(24 * 4500, abs=20)
    assert row["ecg.rate"] == pytest.approx(75, abs=0.2)


def test_features_import_no_torch_and_biosig_no_features():
    code = (
        "import sys, biosig; assert not any(m.startswith(('biosig.features', 'scipy', 'pandas')) for m in sys.modules);"
        "import biosig.features; assert 'scipy' not in sys.modules;"
        "biosig.features.columns('ecg'); assert 'torch' not in sys.modules and 'neurokit2' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
