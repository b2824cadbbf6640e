"""The same functions on the recordings that ship with the package."""

import mne
import numpy as np
import pytest
import wfdb

from biosig import samples
from biosig.electrodes import make_channel
from biosig.errors import DataError
from biosig.signal import check_plausible, resample, robust_scale


@pytest.fixture(scope="module")
def ecgs():
    headers = sorted(samples.path("ptbxl").rglob("records100/**/*.hea"))[:8]
    assert headers
    return [wfdb.rdrecord(str(header.with_suffix(""))) for header in headers]


@pytest.fixture(scope="module")
def eeg():
    return mne.io.read_raw_edf(sorted(samples.path("eegmmidb").glob("*.edf"))[0], verbose="error")


def test_ecgs_have_a_clinical_size_and_volts_are_caught(ecgs):
    for record in ecgs:
        x = record.p_signal.T
        assert 0.02 < robust_scale(x) < 2
        check_plausible(x, "ecg", "mV", record.record_name)
        with pytest.raises(DataError, match="1,000 times too small"):
            check_plausible(x / 1000, "ecg", "mV", record.record_name)
        assert all(make_channel(name, "mV").position_source == "template" for name in record.sig_name)


def test_eeg_has_a_clinical_size_and_all_its_electrodes_a_place(eeg):
    check_plausible(eeg.get_data() * 1e6, "eeg", "uV", "S001R04")
    with pytest.raises(DataError, match="1,000,000 times too small"):
        check_plausible(eeg.get_data(), "eeg", "uV", "S001R04")
    channels = [make_channel(name, "uV") for name in eeg.ch_names]
    assert {(c.kind, c.position_source) for c in channels} == {("eeg", "template")}


def test_up_and_down_again_gives_the_ecg_back(ecgs):
    for record in ecgs:
        x = resample(record.p_signal.T, 100, 200)
        again = resample(resample(x, 200, 500), 500, 200)
        assert np.abs(again - x)[:, 50:-50].max() < 0.01 * np.abs(x).max()


def test_scale_hardly_depends_on_the_rate(ecgs):
    for record in ecgs:
        x = record.p_signal.T
        assert robust_scale(resample(x, 100, 500)) == pytest.approx(robust_scale(x), rel=0.1)
