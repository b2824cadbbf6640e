"""What a rebuilt waveform has to beat: the mean beat, and a linear filter of the input.

Both are fitted on the training part, and predict in the targets' units as the model does.

Shape letters: T samples of a target, C input channels, J taps of the filter.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from biosig.batches.contract import InputContract, Prepared
from biosig.downstream.waveform_windows import Floats, Question, WaveformWindows
from biosig.errors import DataError
from biosig.signal import resample

REACH, SPACING = 0.2, 0.02  # s: the filter sees this far to either side, in steps of this
BEFORE = 0.4
"""Share of the time between two beats that belongs to the later one."""


class Baseline(Protocol):
    """A rival of the model."""

    def fit(self, windows: WaveformWindows, rows: Iterable[int]) -> None:
        """Learn from the training part."""

    def predict(self, question: Question) -> list[Floats]:
        """What each wanted target (T,) would be, in its units."""


class MeanBeat:
    """The average beat of each target, laid at each beat that is found in the input.

    Beats are R peaks of the first ECG channel, or systolic peaks where the input is PPG alone (NeuroKit2). A sample is
    known by its distance from the beat that it belongs to.

    Parameters
    ----------
    contract : mapping of str to InputContract
        Of the model.
    """

    def __init__(self, contract: Mapping[str, InputContract]) -> None:
        self.contract = contract
        self._beat: dict[int, tuple[int, Floats]] = {}

    def fit(self, windows: WaveformWindows, rows: Iterable[int]) -> None:
        """Average the beats of the training part."""
        parts: dict[int, list[tuple[NDArray[np.int64], Floats]]] = {}
        for row in rows:
            question, truth = windows[row]
            beats = beat_times(question.inputs, self.contract)
            for wanted, values in zip(question.wanted, truth, strict=True):
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

    def predict(self, question: Question) -> list[Floats]:
        """The average beat at each beat of the input; the mean, 0, where there is none."""
        beats = beat_times(question.inputs, self.contract)
        out = []
        for wanted in question.wanted:
            lag = self._lags(wanted.place, beats)
            first, beat = self._beat.get(wanted.number, (0, np.zeros(1, np.float32)))
            known = (lag != _NO_BEAT) & (lag >= first) & (lag < first + len(beat))
            out.append(np.where(known, beat[np.clip(lag - first, 0, len(beat) - 1)], np.float32(0)))
        return out

    def _lags(self, place: Prepared, beats: NDArray[np.float64]) -> NDArray[np.int64]:
        """Samples from each sample's beat to it, shape (T,)."""
        n_times, sfreq = place.values.shape[1], self.contract[place.modality].sfreq
        if not len(beats):
            return np.full(n_times, _NO_BEAT)
        peaks = np.round(beats * sfreq).astype(np.int64)
        limits = peaks[1:] - BEFORE * np.diff(peaks)
        times = np.arange(n_times)
        return times - peaks[np.searchsorted(limits, times, side="right")]


_NO_BEAT = np.iinfo(np.int64).min


def beat_times(inputs: Sequence[Prepared], contract: Mapping[str, InputContract]) -> NDArray[np.float64]:
    """Seconds from the window's start to each beat; empty where NeuroKit2 finds none."""
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


class LinearFilter:
    """The least-squares linear map from the input channels, at the instant and around it, to each target.

    A target is a weighted sum of all input channels from 0.2 s before to 0.2 s after; what a lead has in common with
    another at the instant is the part of it at lag 0.

    Parameters
    ----------
    contract : mapping of str to InputContract
        Of the model.
    """

    def __init__(self, contract: Mapping[str, InputContract]) -> None:
        self.contract = contract
        self._weights: dict[int, NDArray[np.float64]] = {}

    def fit(self, windows: WaveformWindows, rows: Iterable[int]) -> None:
        """Solve the normal equations of the training part.

        Raises
        ------
        DataError
            If windows differ in their input channels.
        """
        sums: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
        for row in rows:
            question, truth = windows[row]
            designs = self._designs(question)
            for wanted, values in zip(question.wanted, truth, strict=True):
                design = designs[wanted.place.modality, wanted.place.values.shape[1]]
                use = np.isfinite(values)
                x, y = design[use], values[use]
                n_columns = x.shape[1]
                squares, products = sums.get(wanted.number, (np.zeros((n_columns, n_columns)), np.zeros(n_columns)))
                if len(squares) != n_columns:
                    raise DataError(
                        "Windows differ in the number of input channels, and the linear baseline knows channels by "
                        "their row: name the inputs one by one, or leave the baseline out."
                    )
                sums[wanted.number] = squares + x.T @ x, products + x.T @ y
        for number, (squares, products) in sums.items():
            ridge = 1e-6 * np.trace(squares) / len(squares)
            self._weights[number] = np.linalg.solve(squares + ridge * np.eye(len(squares)), products)

    def predict(self, question: Question) -> list[Floats]:
        """The filtered input."""
        designs = self._designs(question)
        return [
            (designs[w.place.modality, w.place.values.shape[1]] @ self._weights[w.number]).astype(np.float32)
            for w in question.wanted
        ]

    def _designs(self, question: Question) -> dict[tuple[str, int], NDArray[np.float64]]:
        """What the targets of each modality and length are regressed on, (T, 1 + C · J)."""
        shapes = {(w.place.modality, w.place.values.shape[1]) for w in question.wanted}
        return {(m, n): self._design(question.inputs, self.contract[m].sfreq, n) for m, n in shapes}

    def _design(self, inputs: Sequence[Prepared], sfreq: float, n_times: int) -> NDArray[np.float64]:
        step = max(round(SPACING * sfreq), 1)
        reach = round(REACH * sfreq) // step * step
        columns = [np.ones((n_times, 1))]
        for stream in inputs:
            physical = np.where(stream.valid, stream.to_physical(stream.values) - stream.mean[:, None], np.float32(0))
            values = resample(physical, self.contract[stream.modality].sfreq, sfreq)
            start = round(stream.onset * sfreq)
            around = np.zeros((len(values), n_times + 2 * reach))
            part = values[:, : n_times - start]
            around[:, reach + start : reach + start + part.shape[1]] = part
            lagged = [around[:, lag : lag + n_times].T for lag in range(0, 2 * reach + 1, step)]
            columns += lagged
        return np.hstack(columns)
