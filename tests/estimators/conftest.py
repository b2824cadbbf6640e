"""Real EEG as MNE Epochs of several people."""

import mne
import numpy as np
import pytest

from biosig import samples


@pytest.fixture(scope="session")
def epochs():
    """Rest and imagined fists of four people: 32 epochs of 2 s, 19 channels."""
    parts = []
    for number in range(1, 5):
        raw = mne.io.read_raw_edf(samples.path("eegmmidb") / f"S00{number}R04.edf", preload=True, verbose="error")
        events, _ = mne.events_from_annotations(raw, {"T0": 1, "T1": 2, "T2": 2}, verbose="error")
        end = 2 - 1 / raw.info["sfreq"]
        part = mne.Epochs(
            raw, events[:8], {"rest": 1, "imagery": 2}, 0, end, baseline=None, preload=True, verbose="error"
        )
        part.metadata = None
        parts.append(part)
    return mne.concatenate_epochs(parts, verbose="error")


@pytest.fixture(scope="session")
def y(epochs):
    return np.where(epochs.events[:, 2] == 1, "rest", "imagery")


@pytest.fixture(scope="session")
def people(epochs):
    return np.repeat(["S001", "S002", "S003", "S004"], len(epochs) // 4)


@pytest.fixture(scope="session")
def microvolts(epochs):
    """The same epochs as an array (R, C, T)."""
    return epochs.get_data(units="uV")


@pytest.fixture(scope="session")
def described(epochs):
    """Parameters that describe an array."""
    return {"ch_names": [name.strip(".") for name in epochs.ch_names], "sfreq": 160.0, "kind": "eeg"}
