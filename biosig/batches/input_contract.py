"""The input contract: the form of a model's input, kept with its weights and applied by `biosig.batches.contract`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

from biosig.errors import UsageError

MODALITY_IDS = {"ecg": 0, "ppg": 1, "eeg": 2, "text": 3}
"""The index of each modality's embedding; stored weights rely on the order."""


OnUnknown = Literal["keep", "skip", "raise"]
"""Policy for channels whose place on the body is not known: used as they are, left out, or refused."""

Align = Literal["none", "subject", "first_minute"]
"""Alignment of EEG: none; by all recordings of a person, whole; or by the first minute of each recording alone."""


@dataclass(frozen=True)
class InputContract:
    """Form of one modality's signals before they become tokens: rate, patches, unit, band, normalisation.

    Parameters
    ----------
    sfreq : float
        Sampling rate in Hz.
    patch_seconds, stride_seconds : float
        Length of a patch, and the step from one patch to the next.
    unit : str or None
        Unit of the physical values; None = the source's own (PPG has no common unit).
    band : tuple of (float or None), optional
        Pass band in Hz (low, high); None = as recorded, up to the anti-alias filter.
    normalisation : {"robust", "zscore", "window", "constant"}
        "robust": minus each channel's mean in the window, over one robust scale per recording and kind, so that the
        ratios between leads survive. "zscore": minus each channel's mean in the recording, over its deviation there
        (`Stream.moments`; of the window where a window is all there is). "window": the same by the window alone.
        "constant": over `divisor`.
    divisor : float
        In `unit`, for "constant".
    clip : float
        Normalised values are limited to ± this: an electrode pop must not outweigh everything else.
    window_seconds : float
        Length of the windows that the model was trained on. Shorter ones are fine; longer ones are an extrapolation, of
        which a trained model warns.
    frame : {"head", "mri", "leads"}
        Coordinates by which a channel's place reaches the model. "head": metres in the head frame, of a derivation both
        electrodes; unknown places are seen as unknown. "mri": metres in MNE's mri frame, a derivation at its midpoint.
        "leads": by the name of the lead. A channel without a place in the last two is not seen, and a warning names it.
    on_unknown : {"keep", "skip", "raise"}, optional
        Policy for a channel of unknown place. "keep": it gives tokens if the frame can express an unknown place.
        "skip": it gives none, and a warning names it. "raise": it is an error. None = "skip" for EEG, of which
        a channel of unknown electrode may be anything that an amplifier records, else "keep".
    usual_scale : float, optional
        Robust scale in `unit` that a recording in a unit of its own (a z-score, a recorder's counts) is brought to, and
        marked as of unknown scale: `log_scale` is NaN. ECG leads that have lost their ratios are brought to the usual
        size of each (`biosig.batches.lead_sizes`). None = such a recording is refused.
    readout : str, optional
        The readout of `biosig.models.readouts` that the weights are meant for; None = the model's own pooling.
    layers : tuple of int
        The layers that it reads, side by side; none = the output.
    align : {"none", "subject", "first_minute"}
        Alignment of the EEG that the weights have learned from (`biosig.batches.alignment`), and so of recordings that
        they are used on, unless another is chosen.
    cleaning : {"none", "neurokit"}
        Cleaning at the contract's rate before normalisation: none, or NeuroKit2's default for the kind
        (`biosig.signal.neurokit_clean`).
    """

    sfreq: float
    patch_seconds: float
    stride_seconds: float
    unit: str | None
    band: tuple[float | None, float | None] | None = None
    normalisation: Literal["robust", "zscore", "window", "constant"] = "robust"
    clip: float = 20.0
    window_seconds: float = 10.0
    divisor: float = 1.0
    frame: Literal["head", "mri", "leads"] = "head"
    cleaning: Literal["none", "neurokit"] = "none"
    on_unknown: OnUnknown | None = None
    usual_scale: float | None = None
    readout: str | None = None
    layers: tuple[int, ...] = ()
    align: Align = "none"

    def __post_init__(self) -> None:
        if not 0 < self.divisor < math.inf:
            raise UsageError(f"divisor is {self.divisor:g}; it must be a positive amplitude in the contract's unit.")
        if self.align not in get_args(Align):
            raise UsageError(f"align is {self.align!r}; give {', '.join(get_args(Align))}.")

    @property
    def patch_size(self) -> int:
        """Samples per patch."""
        return round(self.patch_seconds * self.sfreq)

    @property
    def stride(self) -> int:
        """Samples from one patch to the next."""
        return round(self.stride_seconds * self.sfreq)

    def n_patches(self, n_times: int) -> int:
        """Whole patches in `n_times` samples at the contract's rate; a remainder shorter than a patch gives none."""
        return max((n_times - self.patch_size) // self.stride + 1, 0)

    def n_patches_in(self, duration: float) -> int:
        """Whole patches in `duration` seconds."""
        return self.n_patches(round(duration * self.sfreq))


def with_unknown(contract: Mapping[str, InputContract], on_unknown: OnUnknown | None) -> Mapping[str, InputContract]:
    """The contract with this policy for channels of unknown place in every modality; None = as it is.

    Raises
    ------
    UsageError
        If there is no such policy.
    """
    if on_unknown is None:
        return contract
    if on_unknown not in get_args(OnUnknown):
        raise UsageError(f"on_unknown is {on_unknown!r}; give keep, skip or raise.")
    return {modality: replace(wanted, on_unknown=on_unknown) for modality, wanted in contract.items()}
