"""Arrays in, arrays out: for `Model.encode`, from (B, C, T) to windows, and from packed tokens to (B, C, H, D).

Shape letters: B windows, C channels, T samples, H patches, D embed_dim.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from biosig.batches.channel_layout import montage
from biosig.batches.contract import InputContract, PreparedStream, whole_or_none
from biosig.batches.ordered import OrderedContract
from biosig.batches.packed import MODALITY_IDS, PackedBatch
from biosig.electrodes import make_channel
from biosig.errors import DataError, UsageError
from biosig.extremes import mark_extremes
from biosig.recording import UNKNOWN, Channel, Position, Recording, Stream, is_known
from biosig.signal import canonical_unit, check_plausible


@dataclass(frozen=True)
class Encoded:
    """Tokens and vectors that `Model.encode` returns, on the CPU in float32.

    Parameters
    ----------
    tokens : Tensor, shape (B, C, H, D), or dict of str to Tensor
        Zeros where not valid. A dict by modality where patches differ in length, or in number as the rates round. Of a
        fused model C is 1: a token stands for all channels of its modality.
    valid : Tensor of bool, shape (B, C, H), or dict of str to Tensor
        True for tokens that were computed from real values alone.
    pooled : Tensor, shape (B, D)
        One vector per window.
    text : Tensor, shape (B, L, D), or None
        Tokens of the windows' texts, zeros behind a text shorter than the longest; None where no text was given.
    text_valid : Tensor of bool, shape (B, L), or None
        True where a window's text has such a token.
    """

    tokens: Tensor | dict[str, Tensor]
    valid: Tensor | dict[str, Tensor]
    pooled: Tensor
    text: Tensor | None = None
    text_valid: Tensor | None = None


def as_recordings(
    signals: ArrayLike | Tensor,
    sfreq: float,
    ch_names: Sequence[str] | None,
    kind: str | Sequence[str] | None,
    units: str | Sequence[str] | None,
    positions: ArrayLike | None,
    references: ArrayLike | None,
    scale: float | Mapping[str, float] | None,
    modalities: Collection[str],
    check: bool,
) -> list[Recording]:
    """One Recording per window of `signals` (B, C, T); see `Model.encode` for the arguments."""
    try:
        values = signals.detach().cpu().numpy() if isinstance(signals, Tensor) else np.asarray(signals)
    except ValueError:  # numpy's word for lists of unequal length, and for objects that only look like lists
        raise UsageError(
            f"Signals must be an array of shape (windows, channels, samples), which this {type(signals).__name__} is "
            f"not: windows of one length go in as an array; biosig.embed takes recordings, files, mne and wfdb objects."
        ) from None
    if values.ndim != 3:
        remedy = {
            1: "give signals[None, None] for one channel of one window",
            2: "give signals[None] for one window of (channels, samples)",
        }
        raise UsageError(
            f"Signals must have shape (windows, channels, samples), not {values.shape}: "
            f"{remedy.get(values.ndim, 'bring them to three axes')}."
        )
    if values.dtype.kind not in "fiu":
        raise UsageError(f"Signals must be real numbers, not {values.dtype}.")
    if not (isinstance(sfreq, Real) and math.isfinite(sfreq) and sfreq > 0):
        raise UsageError(f"The sampling rate must be a positive number of Hz, not {sfreq!r}.")
    if isinstance(ch_names, str):
        raise UsageError(f"ch_names is the text {ch_names!r}: give a list with one name for each channel.")
    if ch_names is not None and len(ch_names) == values.shape[2] != values.shape[1]:
        raise UsageError(
            f"Signals of shape {values.shape} have their {len(ch_names)} channels last: give them as "
            f"(windows, channels, samples), with signals.swapaxes(1, 2)."
        )
    given = values
    with np.errstate(over="ignore"):
        values = given.astype(np.float32, copy=False)
    if np.isinf(values).any():  # a caller's mark for invalid samples, as NaN is
        if len(beyond := np.argwhere(np.isinf(values) & np.isfinite(given))):
            window, row, sample = beyond[0].tolist()
            raise DataError(
                f"Window {window} of the array has {given[window, row, sample]:.3g} in channel {row} at "
                f"{sample / sfreq:.6g} s, beyond float32: correct it, or set it to NaN."
            )
        values = np.where(np.isinf(values), np.float32(np.nan), values)
    channels = _channels(values.shape[1], ch_names, kind, units, positions, references, modalities)
    kinds = sorted({channel.kind for channel in channels})
    if scale is None:
        scales: Mapping[str, float] = {}
    elif isinstance(scale, Mapping):
        scales = scale
    elif len(kinds) == 1:
        scales = {kinds[0]: float(scale)}
    else:
        raise UsageError(f"One scale cannot serve {', '.join(kinds)}: give scale={{kind: value}}.")
    for name, value in scales.items():
        if not (math.isfinite(value) and value > 0):
            raise UsageError(f"The {name} scale must be a positive number, not {value:g}: leave it out to measure it.")
    if check:
        for row, channel in enumerate(channels):
            where = f"channel '{channel.source_name}' of the array"
            check_plausible(values[:, row], channel.kind, channel.unit, where)
    one = np.ones(len(channels))
    recordings = [
        Recording(str(i), [Stream(float(sfreq), channels, window, one, 0 * one)], robust_scale=scales)
        for i, window in enumerate(values)
    ]
    if check:
        for recording in recordings:
            _check_extremes(recording)
    return recordings


def _check_extremes(recording: Recording) -> None:
    """Refuse samples that no sensor gives: an array has nowhere to note that they are invalid."""
    if notes := mark_extremes(recording).notes:
        raise DataError(
            f"Window {recording.id} of the array: {' '.join(notes)} Correct the array, or set these samples to NaN."
        )


def _channels(
    n_chans: int,
    ch_names: Sequence[str] | None,
    kind: str | Sequence[str] | None,
    units: str | Sequence[str] | None,
    positions: ArrayLike | None,
    references: ArrayLike | None,
    modalities: Collection[str],
) -> tuple[Channel, ...]:
    if ch_names is None and positions is None:
        raise UsageError("Channels need names or positions: give ch_names=[…], or positions of shape (C, 3) in metres.")
    if kind is None:
        if len(modalities) != 1:
            raise UsageError(f"This model knows {', '.join(modalities)}: say which with kind=….")
        kind = next(iter(modalities))
    names = [str(i) for i in range(n_chans)] if ch_names is None else list(ch_names)
    kinds = [kind] * n_chans if isinstance(kind, str) else list(kind)
    unit_list = [units] * n_chans if units is None or isinstance(units, str) else list(units)
    places = _coordinates(positions, n_chans, "positions") or [UNKNOWN] * n_chans
    referred = _coordinates(references, n_chans, "references")
    for what, given in (("ch_names", names), ("kind", kinds), ("units", unit_list)):
        if len(given) != n_chans:
            raise UsageError(f"signals have {n_chans} channels, {what} has {len(given)} entries: they must agree.")
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise UsageError(f"ch_names has '{twice}' twice: each channel needs a name of its own.")
    channels = []
    for i, (name, this_kind) in enumerate(zip(names, kinds, strict=True)):
        if this_kind not in modalities:
            raise UsageError(
                f"Channel '{name}' is of kind '{this_kind}', which this model has no embedding for "
                f"(it knows {', '.join(modalities)}): give one of these as kind, or leave the channel out."
            )
        unit = unit_list[i] or canonical_unit(this_kind) or "NU"
        if ch_names is None:
            reference = UNKNOWN if referred is None else referred[i]
            source = "measured" if is_known(places[i]) else "unknown"
            channels.append(Channel(name, name, this_kind, unit, places[i], reference, source))
        else:
            place = None if positions is None else places[i]
            channels.append(make_channel(name, unit, this_kind, place, None if referred is None else referred[i]))
    return tuple(channels)


def _coordinates(values: ArrayLike | None, n_chans: int, what: str) -> list[Position] | None:
    if values is None:
        return None
    array = np.asarray(values, np.float64)
    if array.shape != (n_chans, 3):
        raise UsageError(f"{what} must have shape ({n_chans}, 3), x, y, z in metres per channel, not {array.shape}.")
    if np.nanmax(np.abs(array), initial=0.0) > 5:
        raise UsageError(
            f"{what} reach {np.nanmax(np.abs(array)):g} m from the head: they look like mm or cm; give metres."
        )
    return [(float(x), float(y), float(z)) for x, y, z in array]


def as_they_are(recording: Recording, contract: Mapping[str, InputContract]) -> list[PreparedStream]:
    """The recording's numbers and positions untouched, for `prepare=False`; NaN samples are invalid.

    Raises
    ------
    UsageError
        If the rate is not the contract's: nothing would repair it.
    """
    prepared: list[PreparedStream] = []
    for modality, wanted in contract.items():
        first = len(prepared)
        for whole in recording.of_kind(modality):
            members = montage(whole.channels, modality, replace(wanted, unit=None))
            stream = whole.pick(members.rows)
            if not stream.n_chans:
                continue
            if stream.sfreq != wanted.sfreq:
                raise UsageError(
                    f"prepare=False takes {modality} at the model's {wanted.sfreq:g} Hz, not {stream.sfreq:g} Hz: "
                    f"resample first, or leave prepare=True."
                )
            values = stream.physical()
            position = np.array([c.position for c in stream.channels], np.float32)
            channel = members.channel
            valid = np.isfinite(values)
            if wanted.frame == "mri":
                valid &= np.isfinite(position).all(axis=1, keepdims=True)
            elif wanted.frame == "leads":
                valid &= channel[:, None] >= 0
            n_chans = stream.n_chans
            prepared.append(
                PreparedStream(
                    modality=modality,
                    values=np.where(valid, values, np.float32(0)),
                    valid=valid,
                    position=position,
                    reference=np.array([c.reference for c in stream.channels], np.float32),
                    channel=channel,
                    sign=np.ones(n_chans, np.float32),
                    mean=np.zeros(n_chans, np.float32),
                    scale=float(recording.robust_scale.get(modality, 1.0)),
                    onset=0.0,
                    ch_names=stream.ch_names,
                )
            )
        if isinstance(wanted, OrderedContract):
            prepared[first:] = whole_or_none(prepared[first:], wanted)
    return prepared


def unpack(
    tokens: Tensor,
    pooled: Tensor,
    batch: PackedBatch,
    recording: Recording,
    contract: Mapping[str, InputContract],
    fused: bool,
) -> Encoded:
    """Packed tokens (N, D) back to (B, C, H, D); all windows have the channels of `recording`, which is one stream.

    `batch` is the token batch. Tokens that are `fused` have one row in place of C, for each modality.
    """
    (stream,) = recording.streams
    rows_of: dict[str, list[int]] = {}
    for row, channel in enumerate(stream.channels):
        rows_of.setdefault(channel.kind, []).append(row)
    if fused:
        rows_of = {kind: [number] for number, kind in enumerate(rows_of)}
    by_modality, valid_by_modality = {}, {}
    for modality, rows in rows_of.items():
        of = batch.modality == MODALITY_IDS[modality]  # (N,)
        read = np.searchsorted(rows, rows if fused else montage(stream.channels, modality, contract[modality]).rows)
        n_patches = int(of.sum()) // max(batch.n_windows * len(read), 1)
        shape = (batch.n_windows, len(rows), n_patches)
        all_tokens, all_valid = tokens.new_zeros(*shape, tokens.shape[1]), torch.zeros(shape, dtype=torch.bool)
        all_tokens[:, read] = tokens[of].view(batch.n_windows, len(read), n_patches, -1)
        all_valid[:, read] = batch.valid[of].view(batch.n_windows, len(read), n_patches)
        by_modality[modality], valid_by_modality[modality] = all_tokens, all_valid
    text, text_valid = _unpack_text(tokens, batch)
    grids = {(contract[m].patch_seconds, contract[m].stride_seconds, by_modality[m].shape[2]) for m in rows_of}
    if len(grids) > 1:
        return Encoded(by_modality, valid_by_modality, pooled, text, text_valid)
    order = torch.tensor(np.argsort(np.concatenate([rows_of[m] for m in by_modality]), kind="stable"))
    return Encoded(
        torch.cat(list(by_modality.values()), dim=1)[:, order],
        torch.cat(list(valid_by_modality.values()), dim=1)[:, order],
        pooled,
        text,
        text_valid,
    )


def _unpack_text(tokens: Tensor, batch: PackedBatch) -> tuple[Tensor | None, Tensor | None]:
    """The text's tokens of each window side by side (B, L, D), and which there are (B, L)."""
    if not len(batch.text_ids):
        return None, None
    of_text = batch.modality == MODALITY_IDS["text"]  # (N,)
    window, place = batch.window[of_text], batch.patch_index[of_text]
    shape = batch.n_windows, int(place.max()) + 1
    text, valid = tokens.new_zeros(*shape, tokens.shape[1]), torch.zeros(shape, dtype=torch.bool)
    text[window, place], valid[window, place] = tokens[of_text], True
    return text, valid
