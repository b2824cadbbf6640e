"""Prediction: apply tuned weights to new recordings, by the code path of tuning and testing.

Shape letters: N windows, K classes or labels.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from biosig.batches.alignment import aligned
from biosig.batches.channel_layout import channels_read
from biosig.batches.mapped_recordings import original
from biosig.batches.recording_set import EpochList
from biosig.batches.windows import (
    LeftOutWarning,
    RecordingSet,
    Windows,
    event_windows,
    fixed_length_windows,
    warn_of_left_out,
)
from biosig.downstream.data.batch_sources import PackedExamples
from biosig.downstream.data.columns import prediction_columns
from biosig.downstream.data.picked_channels import PickedChannels
from biosig.downstream.data.sequences import SpanLayout
from biosig.downstream.data.target_config import WindowPlan
from biosig.downstream.data.window_dataset import PreparedWindows
from biosig.downstream.finetune.classifier import Classifier
from biosig.downstream.finetune.fit import predict_spans
from biosig.downstream.finetune.signature import InputSignature
from biosig.errors import UsageError
from biosig.evaluate.metrics import Floats
from biosig.evaluate.splits import Rows
from biosig.progress import Progress

CHUNK, BATCH = 512, 32
"""Windows in memory at once, and windows per pass."""


def windows_for(
    use: InputSignature, ds: RecordingSet, stride: float | None = None, at: list[str] | None = None
) -> Windows:
    """Cut new recordings into windows like those that the model was tuned on.

    Parameters
    ----------
    use : InputSignature
        Input signature of the model.
    ds : RecordingSet
        The recordings.
    stride : float, optional
        Seconds from one window to the next; default their length.
    at : list of str, optional
        Labels of annotations to put windows around instead.

    Raises
    ------
    UsageError
        If the model was tuned on windows around events and neither `at` nor `stride` is given, or no window fits.

    Warns
    -----
    LeftOutWarning
        If recordings are shorter than a window, or events too close to an end of theirs.
    """
    plan = use.windows
    if use.target.label_interval and (at or stride is not None):
        raise UsageError(f"The model gives a label every {use.target.label_interval:g} s: leave --at and --stride out.")
    around_events = plan.after is not None
    if at and not around_events:
        raise UsageError(f"The model was tuned on windows of {use.seconds:g} s side by side: leave --at out.")
    if around_events and not at and stride is None:
        raise UsageError(
            "The model was tuned on windows around events: name the annotations to put them at with --at, or give "
            "--stride to put them everywhere."
        )
    if at:
        return _around_all(ds, at, plan)
    length = use.target.label_interval or use.seconds
    if isinstance(ds, EpochList):
        ds.check_window(length)
    windows = fixed_length_windows(ds, length, stride)
    if not len(windows):
        raise UsageError(f"No recording is as long as the {length:g} s that the model was tuned on.")
    warn_of_left_out(windows)
    return windows


def _around_all(ds: RecordingSet, at: list[str], plan: WindowPlan) -> Windows:
    """Cut windows around events, with a warning about events too close to an end of their recording."""
    windows = event_windows(ds, at, plan.before or 0.0, plan.after or 0.0)
    n_events = int(ds.annotations["label"].isin(at).sum())
    if not len(windows):
        raise UsageError(f"All {n_events} events labelled {', '.join(at)} lie too close to an end of their recording.")
    if len(windows) < n_events:
        warnings.warn(
            f"{n_events - len(windows)} of {n_events} events lie too close to an end of their recording and are left "
            f"out.",
            LeftOutWarning,
            stacklevel=2,
        )
    return windows


def predictions(
    classifier: Classifier, use: InputSignature, windows: Windows, progress: Progress | None = None
) -> Iterator[pd.DataFrame]:
    """Predict windows, a chunk at a time, in their order.

    Parameters
    ----------
    classifier : Classifier
        The tuned network, on its device.
    use : InputSignature
        Its input signature.
    windows : Windows
        N windows.
    progress : callable, optional
        Called with the number of windows done.

    Yields
    ------
    DataFrame
        recording, subject, onset and duration (s), calibrated predictions (`prediction_columns`), and `lacks`: the
        missing channels ("V5, V6") or stretch of real values of a window without a prediction.
    """
    done = 0
    if use.align != "none":
        windows = aligned(replace(windows, ds=PickedChannels(windows.ds, use.channels)), use.align)
    for first in range(0, len(windows), CHUNK):
        part = windows[first : first + CHUNK]
        values, lacks = _predicted(classifier, use, part)
        ids = part.ds.to_pandas()["recording"].to_numpy(object)
        columns = prediction_columns(values, use.target)
        if use.target.kind == "classes":
            columns["prediction"][[bool(reason) for reason in lacks]] = None
        yield pd.DataFrame(
            {
                "recording": ids[part.recording],
                "subject": part.subjects,
                "onset": part.onset,
                "duration": part.duration,
                **columns,
                "lacks": lacks,
                **epoch_columns(part),
            }
        )
        done += len(part)
        if progress:
            progress("predict", done, len(windows))


def epoch_columns(windows: Windows) -> dict[str, Rows]:
    """Number, event and metadata of each window's epoch, N rows each; no columns if windows are not of epochs."""
    windows = original(windows)
    if not isinstance(windows.ds, EpochList):
        return {}
    about = windows.ds.epochs.iloc[windows.recording]
    return {str(name): about[name].to_numpy() for name in about}


def schema_of(use: InputSignature, windows: Windows) -> pa.Schema:
    """Schema of `predictions` for windows."""
    text, number = pa.string(), pa.float64()
    scores = [(f"score_{name}", number) for name in use.target.class_names]
    kind_columns = {"classes": [*scores, ("prediction", text)], "multilabel": scores}
    epoch_fields = [(name, pa.array(column, from_pandas=True).type) for name, column in epoch_columns(windows).items()]
    where = [("recording", text), ("subject", text), ("onset", number), ("duration", number)]
    return pa.schema(
        [*where, *kind_columns.get(use.target.kind, [("prediction", number)]), ("lacks", text), *epoch_fields]
    )


def _predicted(classifier: Classifier, use: InputSignature, windows: Windows) -> tuple[Floats, list[str]]:
    """Predictions (N, K) or (N,), NaN where there is none, and the reason for each missing one."""
    contract = classifier.encoder.config.contract
    read_of = [channels_read(windows.ds[int(row)].channels, contract) for row in np.unique(windows.recording)]
    present = {channel.name for by_modality in read_of for read in by_modality.values() for channel in read}
    n_outputs = len(classifier.objective.names)
    values = np.full((len(windows), n_outputs) if use.target.class_names else len(windows), np.nan)
    channels = [name for name in use.channels if name in present]
    if not channels:
        return values, [", ".join(use.missing([]))] * len(windows)
    prepared = PreparedWindows(windows, contract, np.inf, channels)
    usable = prepared.survey()
    lacks = [_lacking(use, prepared, row, bool(usable[row])) for row in range(len(windows))]
    rows = np.flatnonzero([not reason for reason in lacks])
    if len(rows):
        contexts, read = SpanLayout.alone(windows), prepared
        if use.target.label_interval:
            contexts = SpanLayout.of(windows, use.seconds, use.target.label_interval)
            read = PreparedWindows(contexts.windows, prepared.contract, np.inf, channels)
            read.survey()
        examples = PackedExamples(read, next(classifier.parameters()).device)
        scores = predict_spans(classifier, examples, classifier.objective, contexts, rows, BATCH)
        values[rows] = classifier.calibration(scores)
    return values, lacks


def _lacking(use: InputSignature, prepared: PreparedWindows, row: int, usable: bool) -> str:
    names = {name for _, _, names in prepared.layouts[row] for name in names}
    return ", ".join(use.missing(names)) or ("" if usable else "a stretch of real values")
