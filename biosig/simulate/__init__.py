"""Simulated recordings whose truth is known exactly: ECG, PPG and EEG, for tests, for teaching and for pretraining.

`ecg`, `ppg` and `eeg` each take a seed and give a `Recording` and its truth. The same seed and options give the same
samples. What is not asked for is drawn from the ranges that each option names, with their sources.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from biosig.simulate.ecg_recording import EcgOptions, EcgTruth, ecg
    from biosig.simulate.eeg_recording import EegOptions, EegTruth, eeg
    from biosig.simulate.ppg_recording import PpgOptions, PpgTruth, ppg

_HOME = {
    "EcgOptions": "ecg_recording",
    "EcgTruth": "ecg_recording",
    "EegOptions": "eeg_recording",
    "EegTruth": "eeg_recording",
    "PpgOptions": "ppg_recording",
    "PpgTruth": "ppg_recording",
    "ecg": "ecg_recording",
    "eeg": "eeg_recording",
    "ppg": "ppg_recording",
}

__all__ = ["EcgOptions", "EcgTruth", "EegOptions", "EegTruth", "PpgOptions", "PpgTruth", "ecg", "eeg", "ppg"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'biosig.simulate' has no attribute '{name}'")
    return getattr(import_module(f"biosig.simulate.{_HOME[name]}"), name)
