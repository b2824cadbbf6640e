"""The verb `biosig predict`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import tyro
from rich.console import Console

from biosig.device import resolve_device
from biosig.downstream.classifier import load_classifier
from biosig.downstream.prediction import predictions, schema_of, windows_for
from biosig.embed_verb import queried
from biosig.embedding import as_recordings
from biosig.errors import DataError, UsageError
from biosig.models.model import Model
from biosig.progress import show_progress


def predict_verb(
    model: Annotated[Path, tyro.conf.Positional],
    source: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    out: Path,
    stride: float | None = None,
    at: tuple[str, ...] = (),
    query: str | None = None,
    device: str = "auto",
) -> int:
    """Apply tuned weights to new recordings: a parquet table of calibrated probabilities or values.

    Parameters
    ----------
    model : Path
        Folder of tuned weights, such as results/sex/weights/fold-0-seed-0.
    source : Path
        Shard folder, a recording's file, or a folder of recordings.
    out : Path
        The parquet file to write.
    stride : float
        Seconds from one window's onset to the next; default: the window's length.
    at : tuple of str
        Labels of annotations to put windows at, for a model that was tuned on windows around events.
    query : str
        Which recordings to take, over index and label columns ("age > 60 and sex == 'female'"); shards only.
    device : str
        auto, cpu, cuda or cuda:N.
    """
    if out.suffix != ".parquet":
        raise UsageError(f"--out is {out}; give a file name that ends in .parquet.")
    if not source.exists():
        raise UsageError(f"{source} does not exist: check the path.")
    classifier, use = load_classifier(model)
    classifier.to(resolve_device(device))
    windows = windows_for(use, as_recordings(queried(source, query)), stride, list(at))
    facts = {
        "weights": str(model),
        "revision": Model(classifier.encoder, trained=True).revision,
        "target": use.target.title,
    }
    schema = schema_of(use).with_metadata({"biosig": json.dumps(facts)})
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.tmp")
    try:
        with pq.ParquetWriter(temporary, schema) as writer, show_progress(Console(file=sys.stderr)) as progress:
            for table in predictions(classifier, use, windows, progress):
                writer.write_table(pa.Table.from_pandas(table, schema, preserve_index=False))
        remarks = _without_prediction(pq.read_table(temporary, columns=["recording", "lacks"]).to_pandas())
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
    for line in (f"Predictions: {out} ({len(windows)} windows)", *remarks):
        Console().print(line, markup=False, highlight=False, soft_wrap=True)
    return 0


def _without_prediction(table: pd.DataFrame) -> list[str]:
    """What to say of windows that have none.

    Raises
    ------
    DataError
        If that is all of them.
    """
    remarks = []
    for reason, rows in table[table["lacks"] != ""].groupby("lacks", sort=False):
        n_recordings, one = rows["recording"].nunique(), rows["recording"].iloc[0]
        named = f"recording '{one}'" if n_recordings == 1 else f"{n_recordings} recordings ('{one}' is the first)"
        remarks.append(f"No prediction for windows of {named}, {len(rows)} in all: they lack {reason}.")
    if (table["lacks"] != "").all():
        raise DataError(f"{' '.join(remarks)} The model was tuned on that: give recordings that have it.")
    return remarks
