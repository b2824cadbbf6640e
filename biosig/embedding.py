"""`embed`: windows of any source to one table of vectors, each with its recording, subject, time and weights."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal

import pyarrow as pa

from biosig.batches.alignment import aligned, chosen_align
from biosig.batches.input_contract import Align, OnUnknown, with_unknown
from biosig.batches.stated import with_usable_units
from biosig.batches.windows import LeftOutWarning, Windows
from biosig.device import resolve_device
from biosig.embedding_file import embed_to_file
from biosig.embedding_table import BATCH_TOKENS, embed_parts, vectors_of
from biosig.errors import UsageError
from biosig.models.model import Model
from biosig.models.reading import Layer
from biosig.models.readouts import Pooling
from biosig.models.report_tokens import words_for
from biosig.progress import Progress
from biosig.sources import as_windows

__all__ = ["BATCH_TOKENS", "embed", "embed_to_file", "embed_windows", "vectors_of"]


def embed(
    model: Model,
    source: Any,
    window: float | Literal["auto"] | None = "auto",
    stride: float | None = None,
    keep_tail: bool = False,
    device: str = "auto",
    dtype: str = "auto",
    batch_tokens: int = BATCH_TOKENS,
    reports: bool = False,
    progress: Progress | None = None,
    layer: int | Sequence[int] | None = None,
    pooling: Pooling | None = None,
    on_unknown: OnUnknown | None = None,
    align: Align | None = None,
    heads: bool = False,
    **array_options: Any,
) -> pa.Table:
    """Embed every window of a source.

    Parameters
    ----------
    model : Model
        The model.
    source : path, ShardDataset, Windows, Recording, mne Raw or Epochs, wfdb Record, array, or a list of these
        A path may be a shard folder, a recording's file, or a folder of recordings. An array (C, T) or (B, C, T)
        needs `sfreq`, `ch_names` and `kind` (and `units`) as further arguments. Epochs, and
        the B rows of an array, are recordings of their own: no window lies over two of them. For recordings of any
        other source, facts that their files lack can be stated: ``unit={"eeg": "uV"}``, ``rename={"ECG": "I"}``,
        ``sfreq=250``.
    window, stride : float
        Seconds per window and from one onset to the next; `stride` defaults to `window`. `window=None` takes each
        recording whole, as one window. "auto" = each epoch whole, and 10 s of anything else. An epoch that is
        one sample longer than `window`, as MNE's are by default, is taken whole.
    keep_tail : bool
        Also embed the rest after the last whole window, and recordings shorter than a window.
    device : str
        "auto" = CUDA where there is one; the model is moved there.
    dtype : {"auto", "float32", "bfloat16"}
        "auto" = bfloat16 on CUDA, float32 elsewhere.
    batch_tokens : int
        Tokens per batch.
    reports : bool
        True to let the model also read the recordings' reports: each window of a recording with its report.
    progress : callable, optional
        Called with the number of windows that are done.
    layer : int or sequence of int, optional
        0 the embedding output, k after block k, -1 the model's output; of several the vectors stand side by side. None
        = those that the weights name with their readout, else the output.
    pooling : str, optional
        Readout of a window's tokens: "mean", "mean+max+std", … (`biosig.models.readouts`). None = the readout that
        the weights name for each modality (`InputContract.readout`), else the model's own.
    on_unknown : {"keep", "skip", "raise"}, optional
        Policy for channels whose place on the body is not known; None = as the model's contract says: EEG of no known
        electrode gives no token, ECG and PPG do.
    align : {"none", "subject", "first_minute"}, optional
        Alignment of EEG before it is read (`biosig.batches.alignment`). None = as the model's contract names it.
    heads : bool
        True to put the numbers of the model's heads beside its vectors; it takes a second pass.

    Returns
    -------
    pyarrow.Table
        One row per window and modality: recording, subject, onset and duration (s), modality, ch_names,
        valid_fraction, model, model_revision, vector (list of float32, of a fixed size where all modalities that are
        read have vectors of one length; `vectors_of` gives arrays). Of epochs also `epoch`, its number,
        its `event` and the columns of its metadata. The token that some models give each
        window ("cls") makes one row per window, its modality "ecg+ppg" where it read both. A report that is read is the
        modality "text". With heads there is a column of float32 for each of their numbers, "head.ecg.rate", null in
        rows of other modalities. A window without a valid token has valid_fraction 0 and a vector of NaN.

    Raises
    ------
    UsageError
        If the source is of no known type, or gives no window, or reports are asked for and the model reads no text, or
        heads and it has none.
    DataError
        If a report is longer than the model reads.

    Warns
    -----
    LeftOutWarning
        If recordings are shorter than a window, or have no channel that the model reads, or a wrapped module or a
        public encoder takes none of the windows' values.
    """
    from biosig.models.wrap import WrappedModel

    if not isinstance(model, Model):
        raise UsageError(
            f"The first argument of embed is {model!r}; give a model: biosig.load_model(folder) or "
            f"biosig.build_model(name)."
        )
    windows = as_windows(source, window, stride, keep_tail, **array_options)
    windows = with_usable_units(windows, with_unknown(model.contract, on_unknown), model.name)
    windows = aligned(windows, chosen_align(align, model.contract, windows))
    model.to(resolve_device(device))
    table = embed_windows(
        model,
        windows,
        batch_tokens,
        dtype,
        progress,
        reports=reports,
        layer=layer,
        pooling=pooling,
        on_unknown=on_unknown,
        heads=heads,
    )
    if isinstance(model, WrappedModel) and (empty := table["valid_fraction"].to_pylist().count(0.0)):
        warnings.warn(
            f"{empty} of {len(table):,} windows give no vector: each {model.refused_windows}",
            LeftOutWarning,
            stacklevel=2,
        )
    return table.drop(["window"])


def embed_windows(
    model: Model,
    windows: Windows,
    batch_tokens: int = BATCH_TOKENS,
    dtype: str = "auto",
    progress: Progress | None = None,
    workers: int = 0,
    stage: str = "embed",
    reports: bool = False,
    layer: Layer = None,
    pooling: Pooling | None = None,
    on_unknown: OnUnknown | None = None,
    heads: bool = False,
) -> pa.Table:
    """Embed the given windows; as `embed`, with a further column `window` (the row of `windows`).

    With layer "all" a vector holds those of layers 0 to depth - 1 and of the output, one after the other.
    """
    words = words_for(model.config, model.tokenizer) if reports else None
    contract, rows = with_unknown(model.contract, on_unknown), (0, len(windows))
    windows = with_usable_units(windows, contract, model.name)
    parts = embed_parts(
        model, windows, contract, rows, batch_tokens, dtype, workers, progress, words, stage, layer, pooling, heads
    )
    return pa.concat_tables([table for _, table in parts])
