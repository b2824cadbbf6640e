"""NeuroKit2's cleaning over all channels at once: against NeuroKit2 itself."""

from __future__ import annotations

import neurokit2
import numpy as np
import pytest

from biosig.errors import UsageError
from biosig.signal import neurokit_clean


@pytest.mark.parametrize("sfreq", [100, 125, 250, 360, 500])
@pytest.mark.parametrize(("kind", "theirs"), [("ecg", neurokit2.ecg_clean), ("ppg", neurokit2.ppg_clean)])
def test_equals_neurokit2_channel_by_channel(kind, theirs, sfreq):
    x = np.random.default_rng(0).normal(size=(3, 10 * sfreq)).cumsum(axis=1)
    wanted = np.stack([theirs(row, sampling_rate=sfreq) for row in x])
    np.testing.assert_allclose(neurokit_clean(x, sfreq, kind), wanted, atol=1e-5 * np.abs(wanted).max())


def test_what_is_missing_stays_missing_and_leaves_the_other_channels_alone():
    x = np.random.default_rng(1).normal(size=(3, 2500)).cumsum(axis=1)
    whole = neurokit_clean(x, 250, "ecg")
    x[0] = np.nan
    x[1, 1000:1100] = np.nan
    cleaned = neurokit_clean(x, 250, "ecg")
    assert np.isnan(cleaned[0]).all()
    assert np.isnan(cleaned[1, 1000:1100]).all()
    assert np.isfinite(cleaned[1]).sum() == 2400
    np.testing.assert_array_equal(cleaned[2], whole[2])


@pytest.mark.parametrize("n_times", [0, 1, 15, 18])
def test_what_is_too_short_to_filter_is_missing(n_times):
    assert np.isnan(neurokit_clean(np.ones((2, n_times)), 250, "ecg")).all()
    assert np.isfinite(neurokit_clean(np.ones((2, 19)), 250, "ecg")).all()


def test_other_kinds_are_refused():
    with pytest.raises(UsageError, match="eeg"):
        neurokit_clean(np.zeros((1, 1000)), 200, "eeg")
