"""Run a finished pretraining run on a window with parts hidden, for a picture of the reconstruction."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biosig.batches.contract import prepare
from biosig.batches.packed import pack
from biosig.pretrain.state import load_objective
from biosig.recording import Recording


@dataclass(frozen=True)
class RebuiltWindow:
    """One stream of a window, whole, hidden in part, and rebuilt. Shapes: C channels, T samples at `sfreq`.

    Parameters
    ----------
    modality : str
        "ecg", "eeg" or "ppg".
    truth, reconstruction : ndarray of float32, shape (C, T)
        In `unit`, in the source's orientation; NaN where a sample is not a real value. They differ only where `mask`
        is True.
    mask : ndarray of bool, shape (C, T)
        True = hidden from the encoder.
    sfreq : float
        The rate that the model works at, in Hz.
    ch_names : list of str
        C names.
    unit : str
        Unit of the amplitudes.
    """

    modality: str
    truth: NDArray[np.float32]
    reconstruction: NDArray[np.float32]
    mask: NDArray[np.bool_]
    sfreq: float
    ch_names: list[str]
    unit: str


def rebuild_window(run: str | Path, window: Recording, seed: int = 0) -> list[RebuiltWindow]:
    """Hide parts of a window as in pretraining, and let the run's encoder and decoder fill them in.

    Parameters
    ----------
    run : path
        Folder of a finished pretraining run.
    window : Recording
        A recording, or a part cropped from one, of about the length that the run was trained on.
    seed : int
        Of the mask.

    Returns
    -------
    list of RebuiltWindow
        One per stream that the model has a modality for.

    Raises
    ------
    UsageError
        If the folder holds no finished run, or one whose objective rebuilds nothing.
    """
    config, objective = load_objective(Path(run))
    wanted = objective.encoder.config.contract
    streams = prepare(window, wanted)
    batch = pack([streams], wanted)
    hidden = config.masking(batch, np.random.default_rng(seed))  # (N,)
    rebuilt = objective.reconstruct(batch, hidden)

    out, first_token, first_patch = [], 0, dict.fromkeys(rebuilt, 0)
    for stream in streams:
        contract = wanted[stream.modality]
        n_chans, n_times = stream.values.shape
        n_patches = contract.n_patches(n_times)
        n_tokens = n_chans * n_patches  # channel-major: token c · n_patches + h
        at = first_patch[stream.modality]
        patches = rebuilt[stream.modality][at : at + n_tokens].numpy().reshape(n_chans, n_patches, -1)
        tokens = hidden[first_token : first_token + n_tokens].numpy().reshape(n_chans, n_patches)
        values, mask = stream.values.copy(), np.zeros(stream.values.shape, bool)
        for channel, patch in zip(*np.nonzero(tokens), strict=True):
            part = slice(patch * contract.stride, patch * contract.stride + contract.patch_size)
            values[channel, part] = patches[channel, patch]
            mask[channel, part] = True
        truth = np.where(stream.valid, stream.to_physical(stream.values), np.float32(np.nan))
        reconstruction = np.where(mask, stream.to_physical(values), truth)
        unit = contract.unit or next(c.unit for c in window.channels if c.kind == stream.modality)
        names = list(stream.ch_names)
        out.append(RebuiltWindow(stream.modality, truth, reconstruction, mask, contract.sfreq, names, unit))
        first_token += n_tokens
        first_patch[stream.modality] += n_tokens
    return out
