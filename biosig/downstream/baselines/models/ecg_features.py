"""Hand-made ECG features: rhythm and intervals by NeuroKit2 on one lead, amplitudes of the median beat on every lead.

Names: `ecg.rate`, and per lead `ecg.r_amplitude[V1]`. Times are ms, amplitudes mV, rates per minute.
"""

from __future__ import annotations

import logging
import warnings

import numpy as np
from numpy.typing import NDArray

from biosig.downstream.baselines.models.missing import usable
from biosig.recording import Stream
from biosig.signal import unit_factor

log = logging.getLogger(__name__)

DETECTION_LEADS = ("II", "I", "V5", "V4", "V2", "III", "aVF")
"""Leads to detect beats on, the best first; without any of these the first usable lead."""

FEWEST_BEATS = 3

# Seconds around the R peak, after the usual limits of PR, QRS and QT at rest (Surawicz & Knilans, Chou's
# Electrocardiography in Clinical Practice, chapter 1).
_BEAT = (-0.26, 0.44)
_P = (-0.26, -0.10)
_LEVEL = (-0.09, -0.05)  # PR segment: the isoelectric level that amplitudes are measured from
_QRS = (-0.05, 0.06)
_ST = (0.08, 0.12)  # about J + 40 to J + 80 ms
_T = (0.12, 0.44)


def ecg_features(stream: Stream) -> dict[str, float]:
    """Rhythm, intervals and per-lead amplitudes of one window.

    Parameters
    ----------
    stream : Stream
        ECG channels of one window.

    Returns
    -------
    dict of str to float
        NaN for features that could not be measured; never raises on a bad signal.
    """
    values = stream.physical()  # [C, T]
    leads = {}
    for channel, row in zip(stream.channels, values, strict=True):
        lead = usable(row)
        if lead is not None:
            leads[channel.name] = lead * unit_factor(channel.unit, "mV")
    features = dict.fromkeys(_RHYTHM, np.nan)
    for name, lead in leads.items():
        features[f"ecg.sd[{name}]"] = float(lead.std())
    if not leads:
        return features
    reference = next((name for name in DETECTION_LEADS if name in leads), next(iter(leads)))
    peaks, waves = find_beats(leads[reference], stream.sfreq)
    if len(peaks) < FEWEST_BEATS:
        return features
    features |= _rhythm(peaks / stream.sfreq) | _intervals(waves, peaks, stream.sfreq)
    names, stacked = list(leads), np.stack(list(leads.values()))
    return features | _amplitudes(names, stacked, peaks, stream.sfreq)


_RHYTHM = (
    "ecg.rate",
    "ecg.sdnn",
    "ecg.rmssd",
    "ecg.pnn50",
    "ecg.pr",
    "ecg.qrs",
    "ecg.qt",
    "ecg.qtc",
    "ecg.p_duration",
    "ecg.p_share",
)


def find_beats(lead: NDArray[np.float64], sfreq: float) -> tuple[NDArray[np.int64], dict[str, NDArray[np.float64]]]:
    """R peaks (n,) (Makowski et al. 2021) and wave limits by prominence (Emrich et al. 2024); empty if it fails."""
    import neurokit2 as nk

    rate = round(sfreq)  # NeuroKit2 needs an integer; at 0.2 % the error is below its own jitter
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # every short or noisy window warns; the NaN in the table is the report
        try:
            cleaned = nk.ecg_clean(lead, sampling_rate=rate)
            peaks = np.asarray(nk.ecg_peaks(cleaned, sampling_rate=rate)[1]["ECG_R_Peaks"], np.int64)
            _, found = nk.ecg_delineate(cleaned, peaks, sampling_rate=rate, method="prominence")
        except Exception as error:  # a foreign detector fails on noise in ways that it does not document
            log.debug("NeuroKit2 found no beats: %s", error)
            return np.empty(0, np.int64), {}
    return peaks, {name: np.asarray(places, np.float64) for name, places in found.items()}


def _rhythm(peak_times: NDArray[np.float64]) -> dict[str, float]:
    """Rate and time-domain HRV (Task Force of the ESC and NASPE, Circulation 1996; 93:1043)."""
    rr = np.diff(peak_times) * 1000
    steps = np.diff(rr)
    return {
        "ecg.rate": float(60_000 / rr.mean()),
        "ecg.sdnn": float(rr.std(ddof=1)),
        "ecg.rmssd": float(np.sqrt(np.mean(steps**2))),
        "ecg.pnn50": float(np.mean(np.abs(steps) > 50)),
    }


def _intervals(waves: dict[str, NDArray[np.float64]], peaks: NDArray[np.int64], sfreq: float) -> dict[str, float]:
    def median_ms(start: str, stop: str) -> float:
        if len(waves.get(start, ())) != len(waves.get(stop, ())):
            return np.nan
        gaps = (waves[stop] - waves[start])[np.isfinite(waves[stop] - waves[start])] if start in waves else np.empty(0)
        return float(np.median(gaps) / sfreq * 1000) if len(gaps) else np.nan

    qt = median_ms("ECG_R_Onsets", "ECG_T_Offsets")
    rr = float(np.median(np.diff(peaks))) / sfreq  # s
    found_p = waves.get("ECG_P_Peaks", np.full(1, np.nan))
    return {
        "ecg.pr": median_ms("ECG_P_Onsets", "ECG_R_Onsets"),
        "ecg.qrs": median_ms("ECG_R_Onsets", "ECG_R_Offsets"),
        "ecg.qt": qt,
        "ecg.qtc": qt / rr**0.5,  # Bazett 1920
        "ecg.p_duration": median_ms("ECG_P_Onsets", "ECG_P_Offsets"),
        "ecg.p_share": float(np.isfinite(found_p).mean()),
    }


def _amplitudes(
    names: list[str], leads: NDArray[np.float64], peaks: NDArray[np.int64], sfreq: float
) -> dict[str, float]:
    first, last = round(_BEAT[0] * sfreq), round(_BEAT[1] * sfreq)
    whole = peaks[(peaks + first >= 0) & (peaks + last < leads.shape[1])]
    if not len(whole):
        return {}
    beats = leads[:, whole[:, None] + np.arange(first, last + 1)]  # [C, beats, samples]

    def part(limits: tuple[float, float]) -> slice:
        return slice(round(limits[0] * sfreq) - first, round(limits[1] * sfreq) - first + 1)

    beats = beats - beats[:, :, part(_LEVEL)].mean(2, keepdims=True)
    median = np.median(beats, axis=1)  # [C, samples]
    rr = float(np.median(np.diff(peaks))) / sfreq
    t_wave = median[:, part((_T[0], min(_T[1], max(0.65 * rr, _T[0] + 0.05))))]  # ends before the next P wave
    measures = {
        "p_amplitude": _extreme(median[:, part(_P)]),
        "r_amplitude": median[:, part(_QRS)].max(1),
        "s_amplitude": median[:, part(_QRS)].min(1),
        "st_level": median[:, part(_ST)].mean(1),
        "t_amplitude": _extreme(t_wave),
    }
    return {
        f"ecg.{measure}[{name}]": float(value)
        for measure, values in measures.items()
        for name, value in zip(names, values, strict=True)
    }


def _extreme(waves: NDArray[np.float64]) -> NDArray[np.float64]:
    """The value farthest from zero, with its sign, of each row."""
    return waves[np.arange(len(waves)), np.abs(waves).argmax(1)]
