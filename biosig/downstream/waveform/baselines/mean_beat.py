"""Mean beat: the average of each target around the beats of the input.

Shape letters: T samples of a target.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from biosig.batches.contract import InputContract, PreparedStream
from biosig.downstream.waveform.baselines import WAVEFORM_BASELINES, WaveformBaseline
from biosig.downstream.waveform.dataset import Floats, WaveformQuery, WaveformWindows

BEFORE = 0.4
"""Share of the time between two beats that belongs to the later one."""


@WAVEFORM_BASELINES.register
class MeanBeat(WaveformBaseline):
    """The average beat of each target, placed at each beat of the input.

    Beats are R peaks of the first ECG channel, or systolic peaks if the input is PPG alone (NeuroKit2). A sample is
    identified by its distance from its beat.

    Parameters
    ----------
    contract : mapping of str to InputContract
        The model's input contract.
    """

    name = "mean_beat"
    rank = 0

    def __init__(self, contract: Mapping[str, InputContract]) -> None:
        super().__init__(contract)
        self._beat: dict[int, tuple[int, Floats]] = {}

    def fit(self, windows: WaveformWindows, rows: Iterable[int]) -> None:
        """Average the beats of the training part."""
        parts: dict[int, list[tuple[NDArray[np.int64], Floats]]] = {}
        for row in rows:
            question, target_values = windows[row]
            beats = beat_times(question.inputs, self.contract)
            for wanted, values in zip(question.wanted, target_values, strict=True):
                lag = self._lags(wanted.place, beats)
                use = (lag != _NO_BEAT) & np.isfinite(values)
                parts.setdefault(wanted.number, []).append((lag[use], values[use]))
        for number, pieces in parts.items():
            lag, value = (np.concatenate(column) for column in zip(*pieces, strict=True))
            if len(lag):
                first = int(lag.min())
                count = np.bincount(lag - first)
                beat = np.bincount(lag - first, value) / np.maximum(count, 1)
                self._beat[number] = first, beat.astype(np.float32)

    def predict(self, question: WaveformQuery) -> list[Floats]:
        """Predict the average beat at each beat of the input; the mean, 0, without a beat."""
        beats = beat_times(question.inputs, self.contract)
        out = []
        for wanted in question.wanted:
            lag = self._lags(wanted.place, beats)
            first, beat = self._beat.get(wanted.number, (0, np.zeros(1, np.float32)))
            known = (lag != _NO_BEAT) & (lag >= first) & (lag < first + len(beat))
            out.append(np.where(known, beat[np.clip(lag - first, 0, len(beat) - 1)], np.float32(0)))
        return out

    def _lags(self, place: PreparedStream, beats: NDArray[np.float64]) -> NDArray[np.int64]:
        """Samples from each sample's beat to it, shape (T,)."""
        n_times, sfreq = place.values.shape[1], self.contract[place.modality].sfreq
        if not len(beats):
            return np.full(n_times, _NO_BEAT)
        peaks = np.round(beats * sfreq).astype(np.int64)
        limits = peaks[1:] - BEFORE * np.diff(peaks)
        times = np.arange(n_times)
        return times - peaks[np.searchsorted(limits, times, side="right")]


_NO_BEAT = np.iinfo(np.int64).min


def beat_times(inputs: Sequence[PreparedStream], contract: Mapping[str, InputContract]) -> NDArray[np.float64]:
    """Seconds from the window's start to each beat; empty if NeuroKit2 finds none."""
    import neurokit2 as nk

    stream = next((s for s in inputs if s.modality == "ecg"), inputs[0])
    sfreq = contract[stream.modality].sfreq
    signal = (stream.values[0] * stream.sign[0]).astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # short and noisy windows warn; that no beat is found is the report
        try:
            if stream.modality == "ecg":
                cleaned = nk.ecg_clean(signal, sampling_rate=round(sfreq))
                peaks = nk.ecg_peaks(cleaned, sampling_rate=round(sfreq))[1]["ECG_R_Peaks"]
            else:
                cleaned = nk.ppg_clean(signal, sampling_rate=round(sfreq))
                peaks = nk.ppg_findpeaks(cleaned, sampling_rate=round(sfreq))["PPG_Peaks"]
        except Exception:  # a foreign detector fails on noise in ways that it does not document
            return np.empty(0)
    return stream.onset + np.asarray(peaks, np.float64) / sfreq
