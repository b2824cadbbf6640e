"""Linear filter of the input channels.

Shape letters: T samples of a target, C input channels, J taps of the filter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from biosig.batches.contract import InputContract, PreparedStream
from biosig.downstream.waveform.baselines import WAVEFORM_BASELINES, WaveformBaseline
from biosig.downstream.waveform.dataset import Floats, WaveformQuery, WaveformWindows
from biosig.errors import DataError
from biosig.signal import resample

REACH, SPACING = 0.2, 0.02  # s: the filter sees this far to either side, in steps of this


@WAVEFORM_BASELINES.register
class LinearFilter(WaveformBaseline):
    """The least-squares linear map from the input channels, at the instant and around it, to each target.

    A target is a weighted sum of all input channels from 0.2 s before to 0.2 s after; the instantaneous relation of two
    leads is the part at lag 0.

    Parameters
    ----------
    contract : mapping of str to InputContract
        The model's input contract.
    """

    name = "linear"
    rank = 1

    def __init__(self, contract: Mapping[str, InputContract]) -> None:
        super().__init__(contract)
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
            question, target_values = windows[row]
            designs = self._designs(question)
            for wanted, values in zip(question.wanted, target_values, strict=True):
                design = designs[wanted.place.modality, wanted.place.values.shape[1]]
                use = np.isfinite(values)
                x, y = design[use], values[use]
                n_columns = x.shape[1]
                squares, products = sums.get(wanted.number, (np.zeros((n_columns, n_columns)), np.zeros(n_columns)))
                if len(squares) != n_columns:
                    raise DataError(
                        "Windows differ in the number of input channels, and the linear baseline identifies channels "
                        "by their row: name the inputs one by one, or leave the baseline out."
                    )
                sums[wanted.number] = squares + x.T @ x, products + x.T @ y
        for number, (squares, products) in sums.items():
            ridge = 1e-6 * np.trace(squares) / len(squares)
            self._weights[number] = np.linalg.solve(squares + ridge * np.eye(len(squares)), products)

    def predict(self, question: WaveformQuery) -> list[Floats]:
        """Filter the input."""
        designs = self._designs(question)
        return [
            (designs[w.place.modality, w.place.values.shape[1]] @ self._weights[w.number]).astype(np.float32)
            for w in question.wanted
        ]

    def _designs(self, question: WaveformQuery) -> dict[tuple[str, int], NDArray[np.float64]]:
        """Regressors (T, 1 + C · J) of the targets of each modality and length."""
        shapes = {(w.place.modality, w.place.values.shape[1]) for w in question.wanted}
        return {(m, n): self._design(question.inputs, self.contract[m].sfreq, n) for m, n in shapes}

    def _design(self, inputs: Sequence[PreparedStream], sfreq: float, n_times: int) -> NDArray[np.float64]:
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
