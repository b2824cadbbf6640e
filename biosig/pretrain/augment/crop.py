"""Random stretches of windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from biosig.batches.input_contract import MODALITY_IDS
from biosig.errors import UsageError
from biosig.pretrain.augment import AUGMENTATIONS, Augmentation, check_positive
from biosig.pretrain.augment.lines import kept

if TYPE_CHECKING:
    from biosig.batches.input_contract import InputContract
    from biosig.batches.packed import PackedBatch

_TOLERANCE = 1e-4  # s: far below a sample, above the rounding of patch centres


@AUGMENTATIONS.register
@dataclass(frozen=True)
class Crop(Augmentation):
    """A random stretch of each window, of all its channels alike; its time begins at 0, and texts stay whole.

    It begins where a patch of the modality with the longest patches begins, and holds the patches that lie within it.
    A window that is not longer stays as it is.

    Parameters
    ----------
    seconds : float
        Length of the stretch.
    kinds : sequence of str
        "ecg", "ppg", "eeg": windows with a signal of another kind stay whole, as a pulse rate needs.
    """

    name: ClassVar[str] = "crop"
    seconds: float = 5.12
    kinds: tuple[str, ...] = ("ecg", "ppg", "eeg")

    def __post_init__(self) -> None:
        check_positive("crop.seconds", self.seconds)
        unknown = sorted({*self.kinds} - {"ecg", "ppg", "eeg"})
        if unknown or not self.kinds:
            raise UsageError(f"crop.kinds is {list(self.kinds)}; give one or more of ecg, ppg, eeg.")

    def check(self, contract: Mapping[str, InputContract]) -> None:
        """Refuse a stretch that is shorter than a patch.

        Raises
        ------
        UsageError
            Names the modality.
        """
        for modality, wanted in contract.items():
            if modality in self.kinds and wanted.patch_seconds > self.seconds + _TOLERANCE:
                raise UsageError(
                    f"crop.seconds is {self.seconds:g}, and a patch of {modality.upper()} lasts "
                    f"{wanted.patch_seconds:g} s in this model: give at least that."
                )

    def __call__(
        self, batch: PackedBatch, contract: Mapping[str, InputContract], rng: np.random.Generator
    ) -> PackedBatch:
        """The batch with a stretch of each window."""
        lengths, is_cut = np.zeros(len(MODALITY_IDS)), np.zeros(len(MODALITY_IDS), bool)
        is_cut[[MODALITY_IDS[kind] for kind in self.kinds]] = True
        for modality, wanted in contract.items():
            lengths[MODALITY_IDS[modality]] = wanted.patch_seconds
        length = lengths[batch.modality.numpy()]  # (N,) s, 0 of a word
        begins = batch.position.numpy()[:, 3].astype(np.float64) - length / 2
        keep, onset = np.ones(batch.n_tokens, bool), np.zeros(batch.n_windows)
        stops = np.cumsum(batch.seqlens.numpy())
        for window, (start, stop) in enumerate(zip(stops - batch.seqlens.numpy(), stops, strict=True)):
            signal = start + np.flatnonzero(length[start:stop])
            if len(signal) and is_cut[batch.modality.numpy()[signal]].all():
                onset[window], keep[signal] = self._stretch(
                    begins[signal], length[signal], batch.valid.numpy()[signal], rng
                )
        cut = kept(batch, keep)
        position = cut.position.clone()
        is_signal = cut.modality.numpy() != MODALITY_IDS["text"]
        position.numpy()[is_signal, 3] -= onset[cut.window.numpy()[is_signal]].astype(np.float32)
        return replace(cut, position=position)

    def _stretch(
        self,
        begins: NDArray[np.float64],
        length: NDArray[np.float64],
        valid: NDArray[np.bool_],
        rng: np.random.Generator,
    ) -> tuple[float, NDArray[np.bool_]]:
        """Draw the start of a stretch of n patches, and the mask of those that lie in it (n,)."""
        ends = begins + length
        onsets = np.unique(begins[length == length.max()].round(6))
        onsets = onsets[onsets + self.seconds <= ends.max() + _TOLERANCE]
        if ends.max() - begins.min() <= self.seconds + _TOLERANCE or not valid.any():
            return 0.0, np.ones(len(begins), bool)
        for onset in rng.permutation(onsets).tolist():
            within = (begins >= onset - _TOLERANCE) & (ends <= onset + self.seconds + _TOLERANCE)
            if (within & valid).any():
                return onset, within
        return 0.0, np.ones(len(begins), bool)
