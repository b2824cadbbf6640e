"""Pooling of windows to one row per recording or person: vectors, numbers of heads, predictions.

Vectors and predictions are means over the windows that have one, numbers of heads medians. Numbers have 95 % intervals
that allow for neighbouring windows being alike (`biosig.evaluate.series`). A person's recordings follow each other in
the order of the table, so that a difference between them counts as a drift. Shape letters: N windows, G groups, F
features.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from biosig.errors import UsageError
from biosig.evaluate.series import FEW_WINDOWS, Floats, Statistic, series_interval

By = Literal["recording", "subject"]

_HEAD = "head."
_FIRST = ("recording", "subject", "onset", "duration")


class NoSubjectWarning(UserWarning):
    """Recordings without a subject, each of which counts as one person."""


def pool_embeddings(table: pa.Table | str | Path, by: By = "recording", spread: bool = False) -> pa.Table:
    """Pool the windows of an embedding to a row per recording, or per person, and modality.

    Parameters
    ----------
    table : pyarrow.Table, or path of a Parquet file
        As `biosig.embed` gives and `biosig embed` writes it. A file is read a part at a time.
    by : {"recording", "subject"}
        The unit of a row. A recording without a subject counts as one person.
    spread : bool
        True to add the standard deviation of each feature over windows beside the mean.

    Returns
    -------
    pyarrow.Table
        recording (null where a row stands for a person), subject, n_recordings, modality, n_windows with a vector,
        n_left_out that have none, seconds that the windows cover, their mean valid_fraction, model, model_revision,
        vector: the mean over windows, NaN where none has one, and with `spread` vector_sd. Of each head's number its
        median over windows, and the bounds of its interval as `…_low` and `…_high`, NaN of a single window. Names of
        channels and columns of epochs are of windows and are left out.

    Raises
    ------
    UsageError
        If the table is not an embedding, or of more than one model.

    Warns
    -----
    NoSubjectWarning
        If people are asked for and recordings have no subject.
    """
    schema = table.schema if isinstance(table, pa.Table) else pq.read_schema(table)
    needed = (*_FIRST, "modality", "valid_fraction", "model", "model_revision", "vector")
    _check_columns(schema.names, needed, "an embedding such as biosig.embed gives")
    heads = [name for name in schema.names if name.startswith(_HEAD)]
    frames, vectors, absent = [], [], []
    for batch in _batches(table, [*needed, *heads]):
        frames.append(batch.select([name for name in batch.schema.names if name != "vector"]).to_pandas())
        vectors.append(batch["vector"])
        absent.append(np.column_stack([np.zeros(len(batch), bool), *(batch[name].is_null() for name in heads)]))
    _check_windows(sum(map(len, frames)))
    windows = pd.concat(frames, ignore_index=True)
    revisions = windows["model_revision"].unique()
    if len(revisions) > 1:
        raise UsageError(f"The table has vectors of {len(revisions)} models ({', '.join(revisions)}): pool each alone.")
    valid = windows["valid_fraction"].to_numpy(np.float64)
    used = valid > 0
    group, rows = _groups(windows, by, used, ["modality"])
    with np.errstate(invalid="ignore"):  # 0 / 0 of groups without a window
        rows["valid_fraction"] = np.bincount(group, np.where(used, valid, 0), len(rows)) / rows["n_windows"]
    rows["model"], rows["model_revision"] = windows["model"].iloc[0], revisions[0]
    columns = {name: pa.array(rows[name], from_pandas=name in _FIRST) for name in rows}
    columns |= _pooled_vectors(vectors, group, used, len(rows), spread)
    no_number = np.concatenate(absent)[:, 1:]  # (N, heads)
    for name, null in zip(heads, no_number.T, strict=True):
        not_read = np.bincount(group, ~null, len(rows)) == 0  # rows of modalities that the head does not read
        found = _intervals(windows, windows[name].to_numpy(np.float64), group, "median")
        for suffix, numbers in zip(("", "_low", "_high"), found, strict=True):
            columns[name + suffix] = pa.array(numbers.astype(np.float32), mask=not_read)
    return pa.table(columns)


def pool_predictions(table: pd.DataFrame, by: By = "subject", n_resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Pool the predictions of windows to an answer per recording, or per person, with a 95 % interval.

    Parameters
    ----------
    table : DataFrame
        As `biosig predict` writes it: recording, subject, onset and duration (s), and score_… columns of
        probabilities, or numbers in `prediction`; NaN where a window has none.
    by : {"recording", "subject"}
        The unit of a row. A recording without a subject counts as one person.
    n_resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        recording (None where a row stands for a person), subject, n_recordings, n_windows with a prediction,
        n_left_out that have none, seconds that the windows cover; each score, or the predicted number, as the mean over
        windows with the bounds of its interval in `…_low` and `…_high`, NaN of a single window; of one class of several
        `prediction`, the class of the highest mean; `caveat`: the reason for a missing or weak interval, or "".

    Raises
    ------
    UsageError
        If the table holds no predictions.

    Warns
    -----
    NoSubjectWarning
        If people are asked for and recordings have no subject.
    """
    scores = [name for name in table if str(name).startswith("score_")]
    values = scores or ["prediction"]
    _check_columns(list(table), [*_FIRST, *values], "predictions such as biosig predict writes")
    _check_windows(len(table))
    used = table[values].notna().all(axis=1).to_numpy()
    group, rows = _groups(table, by, used)
    bounds = (0.0, 1.0) if scores else (-np.inf, np.inf)
    for name in values:
        numbers = np.where(used, table[name].to_numpy(np.float64), np.nan)
        found = _intervals(table, numbers, group, "mean", bounds, n_resamples, seed)
        rows[name], rows[f"{name}_low"], rows[f"{name}_high"] = found
    if scores and "prediction" in table:
        classes = np.array([name.removeprefix("score_") for name in scores], object)
        highest = classes[rows[scores].fillna(-1.0).to_numpy().argmax(axis=1)]
        rows["prediction"] = np.where(rows["n_windows"] > 0, highest, None)
    rows["caveat"] = [_caveat(n) for n in rows["n_windows"]]
    return rows


def _caveat(n_windows: int) -> str:
    if n_windows == 0:
        return "no window has a prediction"
    if n_windows == 1:
        return "one window: no interval"
    return f"fewer than {FEW_WINDOWS} windows: the interval may be too narrow" if n_windows < FEW_WINDOWS else ""


def _check_columns(names: Sequence[Any], needed: Sequence[str], title: str) -> None:
    absent = [name for name in needed if name not in names]
    if absent:
        raise UsageError(f"The table has no column '{absent[0]}': give {title}, one row per window.")


def _check_windows(n: int) -> None:
    if not n:
        raise UsageError("The table has no window: there is nothing to pool.")


def _batches(table: pa.Table | str | Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    if isinstance(table, pa.Table):
        yield from table.select(columns).to_batches()
    else:
        with pq.ParquetFile(table) as file:
            yield from file.iter_batches(columns=columns)


def _groups(
    windows: pd.DataFrame, by: By, used: NDArray[np.bool_], also: Sequence[str] = ()
) -> tuple[NDArray[np.int64], pd.DataFrame]:
    """The group of each window (N,), and a row for each in the order of the table (G): names and amounts used."""
    if by not in ("recording", "subject"):
        raise UsageError(f"by is {by!r}; give recording or subject.")
    known = windows["subject"].notna().to_numpy() & (windows["subject"] != "").to_numpy()
    alone = ~known if by == "subject" else np.ones(len(windows), bool)
    if by == "subject" and alone.any():
        nameless = windows["recording"][alone].unique()
        warnings.warn(
            f"{len(nameless)} of {windows['recording'].nunique()} recordings have no subject and stand for themselves "
            f"(the first is '{nameless[0]}'): whoever has several counts as several people.",
            NoSubjectWarning,
            stacklevel=3,
        )
    whole = pd.DataFrame({"alone": alone, "name": windows["recording"].where(alone, windows["subject"])})
    for name in also:
        whole[name] = windows[name].to_numpy()
    grouped = whole.groupby([*whole], sort=False)
    group = grouped.ngroup().to_numpy(np.int64)
    first = np.unique(group, return_index=True)[1]
    group_windows = windows.assign(group=group).groupby("group", sort=True)
    rows = pd.DataFrame(
        {
            "recording": windows["recording"].where(alone, None).to_numpy(object)[first],
            "subject": windows["subject"].where(known, None).to_numpy(object)[first],
            "n_recordings": group_windows["recording"].nunique().to_numpy(),
            **{name: windows[name].to_numpy()[first] for name in also},
            "n_windows": np.bincount(group, used, len(first)).astype(np.int64),
            "n_left_out": np.bincount(group, ~used, len(first)).astype(np.int64),
            "seconds": _seconds(windows, group, used, len(first)),
        }
    )
    return group, rows


def _seconds(windows: pd.DataFrame, group: NDArray[np.int64], used: NDArray[np.bool_], n_groups: int) -> Floats:
    """Seconds of signal that the windows of each group cover (G,), overlaps counted once."""
    start = windows["onset"].to_numpy(np.float64)
    rows = pd.DataFrame(
        {"group": group, "recording": windows["recording"], "start": start, "stop": start + windows["duration"]}
    )[used].sort_values(["group", "recording", "start"])
    reached = rows.groupby(["group", "recording"])["stop"].cummax()
    before = reached.groupby([rows["group"], rows["recording"]]).shift(fill_value=-np.inf)
    new = (reached - np.maximum(rows["start"], before)).clip(lower=0)
    return np.bincount(rows["group"], new, n_groups).astype(np.float64)


def _pooled_vectors(
    vectors: Sequence[pa.Array], group: NDArray[np.int64], used: NDArray[np.bool_], n_groups: int, spread: bool
) -> dict[str, pa.Array]:
    """Columns vector and vector_sd: mean, and standard deviation over the windows, of each group."""
    sizes, n = np.zeros(n_groups, np.int64), np.bincount(group[used], minlength=n_groups)
    sums: dict[int, tuple[Floats, Floats, Floats]] = {}  # a first vector, and sums of differences to it and squares
    done = 0
    for column in vectors:
        length = np.asarray(pc.list_value_length(column), np.int64)
        ends, flat = np.cumsum(length), np.asarray(column.flatten())
        row_group, use = group[done : done + len(column)], used[done : done + len(column)]
        sizes[row_group] = length
        order = np.argsort(row_group, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(row_group[order])) + 1):
            g, rows = int(row_group[rows[0]]), rows[use[rows]]
            if len(rows):
                x = flat[(ends - length)[rows][:, None] + np.arange(sizes[g])].astype(np.float64)  # (rows, F)
                first, total, squares = sums.get(g, (x[0].copy(), np.zeros(sizes[g]), np.zeros(sizes[g])))
                x -= first  # so that squares of features far from 0 lose no digits
                sums[g] = first, total + x.sum(axis=0), squares + np.square(x).sum(axis=0)
        done += len(column)
    means, deviations = [], []
    for g in range(n_groups):
        missing = np.full(sizes[g], np.nan)
        first, total, squares = sums.get(g, (missing, missing, missing))
        means.append(first + total / max(n[g], 1))
        variance = (squares - total**2 / n[g]) / (n[g] - 1) if n[g] > 1 else missing
        deviations.append(np.sqrt(np.maximum(variance, 0)))
    columns = {"vector": means, **({"vector_sd": deviations} if spread else {})}
    return {name: _list_column(arrays, sizes) for name, arrays in columns.items()}


def _list_column(arrays: Sequence[Floats], sizes: NDArray[np.int64]) -> pa.Array:
    flat = pa.array(np.concatenate(arrays).astype(np.float32))
    if len(np.unique(sizes)) == 1:
        return pa.FixedSizeListArray.from_arrays(flat, int(sizes[0]))
    return pa.ListArray.from_arrays(pa.array(np.cumsum([0, *sizes]), pa.int32()), flat)


def _intervals(
    windows: pd.DataFrame,
    values: Floats,
    group: NDArray[np.int64],
    statistic: Statistic,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    n_resamples: int = 1000,
    seed: int = 0,
) -> tuple[Floats, Floats, Floats]:
    """Value, lower and upper bound of each group (G,), over its recordings one after the other."""
    recording = pd.factorize(windows["recording"])[0]
    order = np.lexsort((windows["onset"], recording, group))
    parts = np.split(values[order], np.cumsum(np.bincount(group))[:-1])
    found = [series_interval(part, statistic, bounds, n_resamples, seed) for part in parts]
    value, low, high = np.array([one[:3] for one in found]).T
    return value, low, high
