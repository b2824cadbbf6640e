"""A map of an embedding table: principal components for the eye, neighbours in the full dimension.

Shape letters: N rows of the table, D length of a vector, M points of the map.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from biosig.errors import UsageError
from biosig.view.library import Library

MOST_POINTS = 50_000
"""Points that a page draws; of more rows a seeded sample is shown, and the page says so."""

NEIGHBOURS = 10
_JUDGED = 500  # points whose neighbours on the map are compared with the true ones
_MOST_CLASSES = 40


@dataclass(frozen=True)
class _Space:
    """Rows of one modality."""

    rows: NDArray[np.int64]  # (N,) in the table
    vectors: NDArray[np.float32]  # (N, D), of length 1
    shown: NDArray[np.int64]  # (M,) in `rows`
    places: NDArray[np.float32]  # (M, 2)
    variance: tuple[float, float]
    kept: float


class Map:
    """The table of `biosig embed`, and the known facts on its recordings.

    Parameters
    ----------
    path : Path
        A Parquet file with a column `vector`.
    library : Library, optional
        The recordings, whose labels become columns.

    Raises
    ------
    UsageError
        If the file is not such a table.
    """

    def __init__(self, path: Path, library: Library | None = None) -> None:
        names = pq.read_schema(path).names
        if "vector" not in names or "recording" not in names:
            raise UsageError(f"{path} is not a table of embeddings: give one that `biosig embed` wrote.")
        self._vectors = pq.read_table(path, columns=["vector"])["vector"].combine_chunks()
        self._frame = pq.read_table(path, columns=[name for name in names if name != "vector"]).to_pandas()
        if "modality" not in self._frame:
            self._frame["modality"] = "all"
        if library is not None:
            labels = {entry.id: entry.labels for entry in library.entries if entry.labels}
            for name in dict.fromkeys(name for known in labels.values() for name in known):
                if name not in self._frame:
                    self._frame[name] = [_joined(labels.get(r, {}).get(name)) for r in self._frame["recording"]]
        self._spaces: dict[str, _Space] = {}
        self._lock = threading.Lock()

    def points(self, modality: str | None = None) -> dict[str, Any]:
        """Places on the map, and facts on the map.

        Returns
        -------
        dict
            `rows` and `x`, `y` of each point; `columns` by which they can be coloured; `note`, in words; `modality` and
            `modalities`.

        Raises
        ------
        UsageError
            If there is no such modality.
        """
        counts = self._frame["modality"].value_counts()
        chosen = modality or str(counts.index[0])
        space = self._space(chosen)
        shown, n = len(space.shown), len(space.rows)
        first, second = (100 * share for share in space.variance)
        sampled = "" if shown == n else " (a sample, drawn with seed 0)"
        return {
            "modality": chosen,
            "modalities": {str(name): int(count) for name, count in counts.items()},
            "rows": space.rows[space.shown],
            "x": space.places[:, 0],
            "y": space.places[:, 1],
            "columns": [name for name in self._frame.columns if self._frame[name].map(_is_scalar).all()],
            "note": f"PCA: {first:.1f} % and {second:.1f} % of the variance of {space.vectors.shape[1]} dimensions. "
            f"Points: {shown:,} of {n:,}{sampled}. Of the ten nearest rows in all dimensions {10 * space.kept:.1f} are "
            "among the ten nearest on the map.",
            "shown": f"{shown:,} of {n:,}",
        }

    def colour(self, column: str) -> dict[str, Any]:
        """Values of a column for every row of the table: numbers, or the number of a class and the classes' names."""
        if column not in self._frame:
            raise UsageError(f"There is no column '{column}'.")
        values = self._frame[column]
        numbers = values.dtype.kind in "fiu" and values.nunique() > 12
        if numbers:
            return {"column": column, "numbers": values.to_numpy(np.float64)}
        text = values.map(lambda value: None if value is None or value != value else str(value))
        counts = text.value_counts()
        classes = [str(name) for name in counts.index[:_MOST_CLASSES]]
        place = {name: i for i, name in enumerate(classes)}
        rest = int(counts.iloc[_MOST_CLASSES:].sum())
        return {
            "column": column,
            "classes": classes,
            "counts": [int(counts[name]) for name in classes],
            "numbers": [place.get(value) for value in text],
            "rest": rest,
        }

    def row(self, row: int) -> dict[str, Any]:
        """One row, and its ten nearest neighbours by the cosine in all dimensions, of its modality; ties by row.

        Raises
        ------
        UsageError
            If the table has no such row.
        """
        if not 0 <= row < len(self._frame):
            raise UsageError(f"The table has no row {row}.")
        space = self._space(str(self._frame["modality"].iloc[row]))
        at = np.flatnonzero(space.rows == row)
        found = self._facts(row)
        found["neighbours"] = []
        if len(at):
            for other, distance in zip(*_nearest(space.vectors, int(at[0])), strict=True):
                found["neighbours"].append({**self._facts(int(space.rows[other])), "distance": float(distance)})
        return found

    def _facts(self, row: int) -> dict[str, Any]:
        facts = {name: value for name, value in self._frame.iloc[row].to_dict().items() if _is_scalar(value)}
        return {"row": row, "recording": str(facts["recording"]), "facts": facts}

    def _space(self, modality: str) -> _Space:
        with self._lock:
            if modality not in self._spaces:
                self._spaces[modality] = self._made(modality)
            return self._spaces[modality]

    def _made(self, modality: str) -> _Space:
        rows = np.flatnonzero(self._frame["modality"].astype(str) == modality)
        if not len(rows):
            raise UsageError(f"The table has no row of modality '{modality}'.")
        column = self._vectors.take(pa.array(rows))
        x = np.asarray(column.flatten(), np.float32).reshape(len(rows), -1)
        good = np.isfinite(x).all(axis=1)
        rows, x = rows[good], x[good]
        rng = np.random.default_rng(0)
        shown = np.arange(len(rows))
        if len(rows) > MOST_POINTS:
            shown = np.sort(rng.choice(len(rows), MOST_POINTS, replace=False))
        places, variance = _principal(x, shown)
        unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-30)
        return _Space(rows, unit, shown, places, variance, _agreement(unit[shown], places, rng))


def _joined(value: Any) -> Any:
    """A label as one value: of several, their names joined."""
    return "+".join(map(str, value)) if isinstance(value, list | tuple | np.ndarray) else value


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool | np.generic)


def _principal(x: NDArray[np.float32], shown: NDArray[np.int64]) -> tuple[NDArray[np.float32], tuple[float, float]]:
    """The first two principal components of some rows, and their share of the variance of all; signs are fixed."""
    mean = x.mean(axis=0, dtype=np.float64)
    centred = x - mean.astype(np.float32)
    covariance = (centred.T @ centred).astype(np.float64) / max(len(x) - 1, 1)
    values, vectors = np.linalg.eigh(covariance)
    axes = vectors[:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    places = np.zeros((len(shown), 2), np.float32)
    places[:, : axes.shape[1]] = centred[shown] @ axes.astype(np.float32)
    shares = np.append(values[::-1][:2] / max(values.sum(), 1e-30), [0.0, 0.0])
    return places, (float(shares[0]), float(shares[1]))


def _nearest(unit: NDArray[np.float32], at: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The nearest rows to row `at` by cosine distance, without itself; of equal distances the first row first."""
    distance = 1.0 - unit.astype(np.float64) @ unit[at].astype(np.float64)
    distance[at] = np.inf
    order = np.argsort(np.round(distance, 9), kind="stable")[: min(NEIGHBOURS, len(unit) - 1)]
    return order, distance[order]


def _agreement(unit: NDArray[np.float32], places: NDArray[np.float32], rng: np.random.Generator) -> float:
    """Share of the true neighbours of some points that are neighbours on the map too."""
    k = min(NEIGHBOURS, len(unit) - 1)
    if k < 1:
        return 1.0
    judged = np.sort(rng.choice(len(unit), min(_JUDGED, len(unit)), replace=False))
    common = 0
    for i in judged.tolist():
        true, on_map = -(unit @ unit[i]), ((places - places[i]) ** 2).sum(axis=1)
        true[i] = on_map[i] = np.inf
        common += len(set(np.argpartition(true, k - 1)[:k]) & set(np.argpartition(on_map, k - 1)[:k]))
    return common / (k * len(judged))
