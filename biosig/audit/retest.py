"""Test–retest of a model's vector and heads, and identification by them, from two measurements of each person.

The measurements are the two halves of a recording, with a window left out between them, or two recordings. A scale that
the input contract takes over a whole recording is the same in its halves. Shape letters: S people, F features.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.neighbors import KNeighborsClassifier

from biosig.batches.windows import Windows
from biosig.downstream.probe.fit import FeatureScaler
from biosig.embedding import embed
from biosig.evaluate.duplicates import duplicates_of
from biosig.evaluate.intervals import MEAN, BootstrapInterval, bootstrap
from biosig.evaluate.intraclass import median_intraclass_correlation
from biosig.evaluate.metrics import Floats
from biosig.models.model import Model
from biosig.person_level import pool_embeddings

Between = Literal["halves", "recordings"]

FEW_PEOPLE = 3
"""Smallest number of people: fewer do not show how people differ."""

_HEAD = "head."


def retest(model: Model, windows: Windows, n_resamples: int = 1000, seed: int = 0) -> dict[str, Any]:
    """Test–retest of a model's vectors and heads on windows of one modality, beside the same model of random weights.

    Parameters
    ----------
    model : Model
        The model that embeds.
    windows : Windows
        Of recordings whose channels are of one modality.
    n_resamples, seed : int
        Of the bootstrap over people, and of the random weights.

    Returns
    -------
    dict
        For "halves" and "recordings", where enough people have two: n_people; windows, the median number behind a
        measurement; `vector` and, of a trained model, `random_weights`: `icc`, the median ICC(2,1) of the features, and
        `rank_1`, the share of people whose first measurement is the nearest of all people's to their second;
        `more_than_random`, the paired difference of the latter; chance; and `heads`: of each column ICC(2,1) and the
        median difference of two measurements in its unit. Numbers are {"value", "low", "high"}, intervals of 95 % over
        people.
    """
    table = embed(model, windows, heads=bool(model.heads))
    twin = None if model.lacks_twin or not model.trained else embed(model.with_random_weights(seed), windows)
    person = _people(windows)
    found: dict[str, Any] = {}
    measurements: tuple[Between, ...] = ("halves", "recordings")
    for between in measurements:
        which = _measurement(table, person, between)
        first = _measured(table, which)
        if first is None:
            continue
        x, heads, n_windows = first
        hits = _hits(x)
        entry: dict[str, Any] = {"n_people": len(x), "windows": n_windows, "chance": 1 / len(x)}
        entry["vector"] = _repeated(x, hits, n_resamples, seed)
        other = None if twin is None else _measured(twin, which)
        if other is not None:
            twin_hits = _hits(other[0])
            entry["random_weights"] = _repeated(other[0], twin_hits, n_resamples, seed)
            entry["more_than_random"] = _shown(_mean(hits - twin_hits, n_resamples, seed))
        if heads:
            entry["heads"] = dict(_head_columns(heads, n_resamples, seed))
        found[between] = entry
    return found


def _people(windows: Windows) -> dict[str, str]:
    """The person of each recording by its id: shared signals make one person, no subject another."""
    rows = np.unique(windows.recording)
    recordings = [windows.ds[int(row)] for row in rows]
    named = [one.subject.id if one.subject else f"recording {one.id}" for one in recordings]
    people = duplicates_of(recordings).people(named, [one.content_hash for one in recordings])
    return {one.id: name for one, name in zip(recordings, people.tolist(), strict=True)}


def _measurement(table: pa.Table, person: dict[str, str], between: Between) -> pd.DataFrame:
    """Person, and first or second measurement (0, 1; -1 of neither), of each row of the table."""
    rows = table.select(["recording", "onset", "valid_fraction"]).to_pandas()
    rows["person"], rows["time"] = rows["recording"].map(person), -1
    for _, rows_of_person in rows[rows["valid_fraction"] > 0].groupby("person", sort=False):
        recordings = rows_of_person["recording"].unique()
        if between == "recordings":
            for time, recording in enumerate(recordings[:2] if len(recordings) > 1 else ()):
                rows.loc[rows_of_person.index[rows_of_person["recording"] == recording], "time"] = time
        else:
            ordered = rows_of_person[rows_of_person["recording"] == recordings[0]].sort_values("onset").index
            half = len(ordered) // 2
            if len(ordered) > 2:
                rows.loc[ordered[:half], "time"] = 0
                rows.loc[ordered[half + 1 :], "time"] = 1
    return rows[["person", "time"]]


def _measured(table: pa.Table, which: pd.DataFrame) -> tuple[Floats, dict[str, Floats], float] | None:
    """Vectors (S, 2, F), numbers of heads (S, 2), and the median number of windows; None of too few people."""
    chosen = which[(which["time"] >= 0)]
    if chosen["person"].nunique() < FEW_PEOPLE:
        return None
    names = chosen["person"] + " " + chosen["time"].astype(str)
    place = table.column_names.index("recording")
    renamed = table.take(chosen.index.to_numpy()).set_column(place, "recording", pa.array(names, pa.string()))
    pooled = pool_embeddings(renamed).to_pandas().sort_values("recording")  # of a person one after the other
    vectors = np.stack(pooled["vector"].to_list()).astype(np.float64)
    heads = {
        name: pooled[name].to_numpy(np.float64).reshape(-1, 2)
        for name in pooled
        if name.startswith(_HEAD) and f"{name}_low" in pooled and pooled[name].notna().any()
    }
    return vectors.reshape(len(vectors) // 2, 2, -1), heads, float(pooled["n_windows"].median())


def _hits(x: Floats) -> Floats:
    """1 of each person whose first vector is the nearest of all people's to the second (S,), of (S, 2, F)."""
    person = np.arange(len(x))
    prepare = FeatureScaler.fit(x[:, 0], None)
    nearest = KNeighborsClassifier(1).fit(prepare(x[:, 0]), person).predict(prepare(x[:, 1]))
    return (nearest == person).astype(np.float64)


def _repeated(x: Floats, hits: Floats, n_resamples: int, seed: int) -> dict[str, Any]:
    icc = median_intraclass_correlation(x, n_resamples, seed)
    return {"icc": _shown(icc), "rank_1": _shown(_mean(hits, n_resamples, seed))}


def _mean(values: Floats, n_resamples: int, seed: int) -> BootstrapInterval:
    """Mean of one number per person (S,), with its interval over people."""
    return bootstrap(MEAN, values, values, np.arange(len(values)).astype(str), n_resamples, seed)


def _head_columns(heads: dict[str, Floats], n_resamples: int, seed: int) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, numbers in heads.items():
        known = numbers[np.isfinite(numbers).all(axis=1)]
        if len(known) >= FEW_PEOPLE:
            icc = median_intraclass_correlation(known[:, :, None], n_resamples, seed)
            difference = float(np.median(np.abs(np.diff(known, axis=1))))
            entry = {"n_people": len(known), "icc": _shown(icc), "median_difference": difference}
            yield name.removeprefix(_HEAD), entry


def _shown(interval: BootstrapInterval) -> dict[str, float | None]:
    numbers = {"value": interval.value, "low": interval.low, "high": interval.high}
    return {name: round(number, 4) if np.isfinite(number) else None for name, number in numbers.items()}
