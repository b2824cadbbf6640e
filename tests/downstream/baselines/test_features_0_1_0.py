"""Hand-made features on real recordings, and on signals whose rate, amplitude and power are known."""

import time

import mne
import numpy as np
import pandas as pd
import pytest
import wfdb

from biosig import samples
from biosig.downstream.baselines.models.features import feature_table, handmade_features
from biosig.errors import DataError
from biosig.recording import Channel, Recording, Stream


def _recording(values, names, kind, unit, sfreq, invalid=()):
    channels = tuple(Channel(name, name, kind, unit) for name in names)
    stream = Stream(
        sfreq, channels, np.asarray(values, np.float32), 1.0, 0.0, np.array(invalid, np.int64).reshape(-1, 3)
    )
    return Recording("r", [stream])


@pytest.fixture(scope="module")
def ecg():
    header = next(path for path in sorted((samples.path("ptbxl") / "records500").rglob("*.hea")))
    record = wfdb.rdrecord(str(header.with_suffix("")))
    return _recording(record.p_signal.T, record.sig_name, "ecg", "mV", float(record.fs))


@pytest.fixture(scope="module")
def ppg():
    table = pd.read_csv(samples.path("bidmc") / "bidmc_01_Signals.csv.gz", skipinitialspace=True)
    table.columns = table.columns.str.strip()
    return _recording(table["PLETH"].to_numpy()[None], ["finger"], "ppg", "NU", 125.0)


@pytest.fixture(scope="module")
def eeg():
    raw = mne.io.read_raw_edf(samples.path("eegmmidb") / "S001R04.edf", verbose="error")
    return _recording(raw.get_data() * 1e6, raw.ch_names, "eeg", "uV", raw.info["sfreq"])


def _beats(n_seconds=10.0, sfreq=250.0, rate=72.0, r=1.2, t=0.3):
    """Gaussian R and T waves at a steady rate."""
    times = np.arange(round(n_seconds * sfreq)) / sfreq
    signal = np.zeros_like(times)
    for beat in np.arange(0.4, n_seconds - 0.5, 60 / rate):
        signal += r * np.exp(-(((times - beat) / 0.012) ** 2)) + t * np.exp(-(((times - beat - 0.25) / 0.04) ** 2))
    return signal


def test_a_twelve_lead_window_is_measured_like_an_adults_heart(ecg):
    features = handmade_features(ecg)
    assert 40 < features["ecg.rate"] < 130
    assert 50 < features["ecg.qrs"] < 160
    assert 250 < features["ecg.qt"] < 500
    assert features["ecg.rmssd"] > 0
    assert 0.1 < features["ecg.r_amplitude[II]"] < 3
    assert {name for name in features if name.startswith("ecg.t_amplitude")} == {
        f"ecg.t_amplitude[{name}]" for name in ecg.ch_names
    }


def test_einthovens_law_holds_between_the_amplitudes_of_limb_leads(ecg):
    features = handmade_features(ecg)
    st = {lead: features[f"ecg.st_level[{lead}]"] for lead in ("I", "II", "III")}
    assert st["I"] + st["III"] == pytest.approx(st["II"], abs=0.05)


def test_known_rate_and_amplitudes_are_found():
    both = np.stack([_beats(), -0.5 * _beats()])
    features = handmade_features(_recording(both, ["II", "aVR"], "ecg", "mV", 250.0))
    assert features["ecg.rate"] == pytest.approx(72, abs=0.5)
    assert features["ecg.rmssd"] < 8
    assert features["ecg.r_amplitude[II]"] == pytest.approx(1.2, rel=0.05)
    assert features["ecg.s_amplitude[aVR]"] == pytest.approx(-0.6, rel=0.05)
    assert features["ecg.t_amplitude[II]"] == pytest.approx(0.3, rel=0.1)
    assert features["ecg.t_amplitude[aVR]"] == pytest.approx(-0.15, rel=0.1)


def test_amplitudes_are_in_millivolts_whatever_the_source_unit():
    in_mv = handmade_features(_recording(_beats()[None], ["II"], "ecg", "mV", 250.0))
    in_uv = handmade_features(_recording(1000 * _beats()[None], ["II"], "ecg", "uV", 250.0))
    assert in_uv["ecg.r_amplitude[II]"] == pytest.approx(in_mv["ecg.r_amplitude[II]"], rel=1e-4)


def test_pulse_rate_agrees_with_the_monitors(ppg):
    numerics = pd.read_csv(samples.path("bidmc") / "bidmc_01_Numerics.csv.gz", skipinitialspace=True)
    numerics.columns = numerics.columns.str.strip()
    features = handmade_features(ppg.crop(0, 30))
    assert features["ppg.rate[finger]"] == pytest.approx(numerics["PULSE"][:30].mean(), abs=4)
    assert 50 < features["ppg.rise_time[finger]"] < 500
    assert features["ppg.amplitude[finger]"] > 0


def test_a_tone_of_known_power_lands_in_its_band():
    times = np.arange(800) / 160
    tone = 20 * np.sin(2 * np.pi * 10 * times)  # 200 uV² at 10 Hz
    features = handmade_features(_recording(tone[None], ["O1"], "eeg", "uV", 160.0))
    assert features["eeg.alpha[O1]"] == pytest.approx(np.log10(200), abs=0.02)
    assert features["eeg.alpha[O1]"] > features["eeg.theta[O1]"] + 2
    slow = handmade_features(_recording(tone[None, ::4], ["O1"], "eeg", "uV", 40.0))
    assert np.isnan(slow["eeg.gamma[O1]"])  # 45 Hz does not exist at 40 Hz


def test_real_eeg_has_more_slow_than_fast_power(eeg):
    features = handmade_features(eeg.crop(0, 4))
    names = eeg.ch_names
    assert np.isfinite([features[f"eeg.{band}[{n}]"] for band in ("delta", "gamma") for n in names]).all()
    assert np.mean([features[f"eeg.delta[{n}]"] - features[f"eeg.gamma[{n}]"] for n in names]) > 0.5


@pytest.mark.parametrize("bad", ["flat", "nan", "noise", "short", "spike"])
@pytest.mark.parametrize(("kind", "unit"), [("ecg", "mV"), ("ppg", "NU"), ("eeg", "uV")])
def test_bad_signals_give_nan_and_never_fail(kind, unit, bad):
    n_times = 40 if bad == "short" else 1250
    signal = {
        "flat": np.zeros(n_times),
        "nan": np.full(n_times, np.nan),
        "noise": np.random.default_rng(0).normal(size=n_times),
        "short": np.random.default_rng(0).normal(size=n_times),
        "spike": np.eye(1, n_times, 600)[0],
    }[bad]
    features = handmade_features(_recording(signal[None], ["II"], kind, unit, 125.0))
    assert features
    assert not np.isinf(list(features.values())).any()
    if bad in ("flat", "nan"):
        assert np.isnan(list(features.values())).all()


def test_a_short_gap_is_bridged_and_a_long_one_is_refused(ecg):
    stream = ecg.streams[0]
    row = stream.ch_names.index("V2")
    gaps = {
        length: Stream(stream.sfreq, stream.channels, stream.samples, 1.0, 0.0, np.array([[row, 1000, 1000 + length]]))
        for length in (100, 2500)
    }
    whole, bridged, refused = (handmade_features(Recording("r", [s])) for s in (stream, gaps[100], gaps[2500]))
    name = "ecg.r_amplitude[V2]"
    assert bridged[name] == pytest.approx(whole[name], abs=0.1)
    assert name not in refused
    assert refused["ecg.r_amplitude[V3]"] == whole["ecg.r_amplitude[V3]"]


def test_the_table_counts_what_was_not_found(ecg):
    flat = _recording(np.zeros((1, 1250)), ["II"], "ecg", "mV", 125.0)
    table, notes = feature_table([ecg, flat])
    assert table.loc[1].isna().all()
    assert table.loc[0].notna().mean() > 0.95
    assert notes == ["No heart beat was found in 1 of 2 windows; training medians stand in for what it gives."]
    with pytest.raises(DataError, match="None of 1 windows"):
        feature_table([flat])


def test_a_twelve_lead_window_takes_less_than_60_ms(ecg):
    handmade_features(ecg)
    start = time.perf_counter()
    for _ in range(5):
        handmade_features(ecg)
    assert (time.perf_counter() - start) / 5 < 0.06


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_the_slope_of_noise_is_its_exponent_whatever_the_gain_and_the_alpha_rhythm(exponent):
    rng = np.random.default_rng(0)
    freqs = np.fft.rfftfreq(160 * 60, 1 / 160)
    spectrum = rng.normal(size=(2, len(freqs))).T @ [1, 1j] * np.maximum(freqs, 0.5) ** (-exponent / 2)
    noise = np.fft.irfft(spectrum)
    alpha = 5 * noise.std() * np.sin(2 * np.pi * 10 * np.arange(len(noise)) / 160)
    for signal in (noise, 100 * noise, noise + alpha):
        features = handmade_features(_recording(signal[None], ["O1"], "eeg", "uV", 160.0))
        assert features["eeg.slope[O1]"] == pytest.approx(-exponent, abs=0.1)
