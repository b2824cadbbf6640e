"""Band powers, asymmetries, Hjorth, covariances, and what an EEG cannot carry, on signals whose truth is known."""

import mne
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_eeg import TEN_TWENTY, coloured, recording, sine

import biosig
from biosig import samples
from biosig.errors import DataError
from biosig.features import columns, extract
from biosig.features.eeg_bands import BANDS
from biosig.features.eeg_channels import position, region
from biosig.features.eeg_covariance import weights


@pytest.mark.parametrize("seconds", [4.0, 10.0, 60.0])
@pytest.mark.parametrize(
    ("freq", "band"), [(2.5, "delta"), (6.0, "theta"), (10.5, "alpha"), (20.0, "beta"), (38.0, "gamma")]
)
def test_a_sine_has_half_its_squared_amplitude_as_power(freq, band, seconds):
    row = extract(recording(sine(freq, 10.0, seconds)))
    assert 10 ** (row[f"eeg.power_{band}[Cz]"] / 10) == pytest.approx(50, rel=0.03)
    assert row[f"eeg.share_{band}[Cz]"] == pytest.approx(1, abs=0.02)


def test_white_noise_has_its_density_times_the_width_of_the_band():
    row = extract(recording(coloured(0, density=4.0, n=19)))
    for name, (low, high) in BANDS.items():
        mean = np.mean([10 ** (row[f"eeg.power_{name}[{site}]"] / 10) for site in TEN_TWENTY])
        assert mean == pytest.approx(4 * (high - low), rel=0.05)
        shares = [row[f"eeg.share_{name}[{site}]"] for site in TEN_TWENTY]
        assert np.mean(shares) == pytest.approx((high - low) / 44, rel=0.05)
    assert sum(row[f"eeg.share_{name}[Cz]"] for name in ("delta", "theta", "alpha", "beta", "gamma")) == pytest.approx(
        1
    )


def test_powers_agree_with_mne_on_a_real_recording():
    recording = biosig.read(samples.path("eegmmidb") / "S001R04.edf")
    row, stream = extract(recording, ["eeg"]), recording.streams[0]
    density, freqs = mne.time_frequency.psd_array_multitaper(
        stream.physical().astype(float), stream.sfreq, 0.5, 45, bandwidth=1.0, normalization="full", verbose="error"
    )
    for name, (low, high) in BANDS.items():
        power = density[:, (freqs >= low) & (freqs < high)].sum(1) * (freqs[1] - freqs[0])
        ours = np.array([row[f"eeg.power_{name}[{site}]"] for site in stream.ch_names])
        assert np.median(np.abs(ours - 10 * np.log10(power))) < 0.5


def test_volts_and_microvolts_give_the_same():
    x = coloured(1, density=100, n=19, seconds=10)
    one, other = extract(recording(x)), extract(recording(1e-6 * x, unit="V"))
    np.testing.assert_allclose(one.to_numpy(), other.to_numpy(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("seconds", "measured"), [(0.8, {"theta", "alpha"}), (2.0, {"theta", "alpha"}), (3.0, {"delta"})]
)
def test_a_band_needs_three_cycles_of_its_lowest_frequency(seconds, measured):
    row = extract(recording(coloured(1, density=100, seconds=seconds, n=19)))
    for band in ("delta", "theta", "alpha"):
        has = seconds >= 3 / BANDS[band][0]
        assert np.isfinite(row[f"eeg.power_{band}[Cz]"]) == has
    assert all(np.isfinite(row[f"eeg.power_{band}[Cz]"]) for band in measured)


def test_bands_outside_of_the_recordings_own_are_not_measured():
    x = coloured(1, density=100, n=19, seconds=20)
    row = extract(recording(x, band={"eeg": (2.0, 35.0)}))
    assert np.isnan(row["eeg.power_delta[Cz]"])
    assert np.isnan(row["eeg.power_gamma[Cz]"])
    assert np.isfinite(row["eeg.power_alpha[Cz]"])
    assert np.isnan(extract(recording(x[:, ::4], sfreq=62.5))["eeg.power_gamma[Cz]"])


def test_asymmetry_is_the_difference_of_logarithms():
    x = np.stack([sine(10, 10.0 * (np.e if name in ("F4", "O1") else 1)) for name in TEN_TWENTY])
    row = extract(recording(x + coloured(0, 0.01, n=19)))
    assert row["eeg.asymmetry_alpha[F3 F4]"] == pytest.approx(2, abs=0.02)
    assert row["eeg.asymmetry_alpha[O1 O2]"] == pytest.approx(-2, abs=0.02)
    assert row["eeg.asymmetry_alpha[C3 C4]"] == pytest.approx(0, abs=0.02)


def test_front_and_back_differ_in_decibels():
    x = np.stack([sine(10, 100.0 if name[0] in "PO" else 10.0) for name in TEN_TWENTY])
    row = extract(recording(x))
    assert row["eeg.front_back_alpha"] == pytest.approx(-20, abs=0.1)
    assert row["eeg.region_power_alpha[occipital left]"] == pytest.approx(10 * np.log10(5000), abs=0.1)


@pytest.mark.parametrize("freq", [3.0, 10.0, 25.0])
def test_hjorth_of_a_sine(freq):
    row = extract(recording(sine(freq)))
    assert row["eeg.hjorth_mobility[Cz]"] == pytest.approx(freq, rel=0.02)
    assert row["eeg.hjorth_complexity[Cz]"] == pytest.approx(1, abs=0.03)
    assert 10 ** (row["eeg.hjorth_activity[Cz]"] / 10) == pytest.approx(50, rel=0.02)


def test_regions_mirror_each_other():
    for left, right in (("F3", "F4"), ("FC3", "FC4"), ("TP7", "TP8"), ("PO3", "PO4"), ("C1", "C2")):
        assert region(np.array(position(left))).replace("left", "right") == region(np.array(position(right)))
    assert region(np.array(position("Pz"))) == "parietal middle"
    assert region(np.array(position("F3-C3"))).endswith("left")
    assert region(np.full(3, np.nan)) == ""
    assert region(np.array([0.0, 0.1, -0.3])) == ""


def test_virtual_channels_are_weighted_means_of_what_is_near():
    every = weights(np.array([position(name) for name in TEN_TWENTY]))
    np.testing.assert_allclose(every.sum(1), 1)
    front = weights(np.array([position(name) for name in ("Fp1", "Fp2", "F3", "F4")]))
    assert np.isnan(front[-1]).all()
    assert np.isfinite(front[0]).all()


def test_covariance_of_known_sources():
    one, other = coloured(0, 1.0, n=2, seconds=60)
    of = {name: one if name[-1] in "13579" else other if name[-1] in "2468" else 0 * one for name in TEN_TWENTY}
    row = extract(recording(np.stack([of[name] for name in TEN_TWENTY]) + coloured(0, 0.01, n=19, seed=1)))
    same = row["eeg.virtual_correlation_alpha[central left, parietal left]"]
    across = row["eeg.virtual_correlation_alpha[parietal left, parietal right]"]
    assert np.tanh(same) > 0.9
    assert np.tanh(across) < 0.3  # the common mean is taken off, so they are not quite free of each other
    assert row["eeg.virtual_power_beta[central left]"] - row["eeg.virtual_power_alpha[central left]"] == pytest.approx(
        10 * np.log10(17 / 5), abs=0.5
    )


@pytest.mark.parametrize("unit", ["", "NU"])
def test_no_unit_no_amplitude_and_no_ratio_between_channels(unit):
    row = extract(recording(coloured(1, 100, n=19), unit=unit))
    for column in columns("eeg"):
        cells = row[[name for name in row.index if name.split("[")[0] == f"eeg.{column.name}"]]
        assert not column.amplitude or cells.isna().all()
    assert np.isfinite(row["eeg.share_alpha[Cz]"])
    assert np.isfinite(row["eeg.aperiodic_exponent[Cz]"])
    assert any("no amplitudes" in note for note in row.attrs["notes"])


@pytest.mark.parametrize("factor", [1e3, 1e-3])
def test_a_wrong_unit_gives_no_amplitude(factor):
    row = extract(recording(factor * coloured(1, 100, n=19)))
    assert np.isnan(row["eeg.power_alpha[Cz]"])
    assert np.isfinite(row["eeg.share_alpha[Cz]"])


def test_segments_with_a_gap_are_left_out_and_counted():
    x = coloured(0, 4.0, n=19)
    x[3, 2500:5000] = np.nan
    row = extract(recording(x))
    assert row["eeg.n_segments[F3]"] < row["eeg.n_segments[Cz]"] == 29
    assert row["eeg.seconds[F3]"] == pytest.approx(50, abs=5)
    assert row["eeg.missing[F3]"] == pytest.approx(2500 / 15000)
    assert row["eeg.power_beta[F3]"] == pytest.approx(row["eeg.power_beta[Cz]"], abs=0.7)


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((19, 1000)),
        np.full((19, 1000), np.nan),
        coloured(0, 1.0, n=19)[:, :1],
        coloured(0, 1.0, n=19)[:, :30],
        np.clip(coloured(0, 4.0, n=19, seconds=10), -5, 5),
        np.where(np.arange(19)[:, None] == 3, np.nan, coloured(0, 4.0, n=19, seconds=10)),
        np.where(np.arange(19)[:, None] == 3, 0.0, coloured(0, 4.0, n=19, seconds=10)),
        np.where(np.arange(2500) % 400 == 5, np.nan, coloured(0, 4.0, n=19, seconds=10)),
    ],
)
def test_any_signal_gives_the_same_columns(x):
    before = x.copy()
    row = extract(recording(x))
    assert list(row.index) == list(extract(recording(coloured(1, 100, n=19, seconds=10))).index)
    assert not np.isinf(row).any()
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("names", [("Cz",), ("TP9", "AF7", "AF8", "TP10"), ("F3-C3", "C3-P3"), ("E200", "nowhere")])
def test_any_montage_gives_powers(names):
    row = extract(recording(coloured(1, 100, n=len(names), seconds=10), names=names))
    name = recording(np.zeros((1, 10)), names=names).ch_names[0]
    assert np.isfinite(row[f"eeg.power_alpha[{name}]"])


def test_every_column_says_how_it_comes_about():
    assert all(column.formula and column.unit for column in columns("eeg"))


@settings(max_examples=60, deadline=None)
@given(
    n_times=st.integers(0, 900),
    sfreq=st.sampled_from([1.0, 3.0, 10.0, 33.3, 125.0, 500.0]),
    size=st.sampled_from([0.0, 1e-6, 1.0, 1e6]),
    gaps=st.lists(st.tuples(st.integers(0, 900), st.integers(0, 400)), max_size=3),
    seed=st.integers(0, 99),
)
def test_broken_input_gives_a_row_or_one_sentence(n_times, sfreq, size, gaps, seed):
    x = size * np.random.default_rng(seed).standard_normal((2, n_times)).cumsum(1)
    for start, length in gaps:
        x[seed % 2, start : start + length] = np.nan
    made = recording(x, sfreq, names=("F3", "F4"))
    if n_times == 0:
        with pytest.raises(DataError, match="has no sample"):
            extract(made)
        return
    assert not np.isinf(extract(made)).any()
