"""Verbs that apply a model, and verbs on its results: embed, predict, evaluate, compare."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.console import Console

from biosig.cli.tables import print_comparison, print_lines, print_scores
from biosig.errors import DataError, UsageError
from biosig.progress import show_progress
from biosig.publishing import whole_file

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from biosig.batches.input_contract import Align, OnUnknown
    from biosig.batches.windows import Windows
    from biosig.downstream.finetune.classifier import Classifier
    from biosig.downstream.finetune.signature import InputSignature
    from biosig.given import Given
    from biosig.models.model import Model


def embed(
    model: Annotated[str, tyro.conf.Positional],
    source: Annotated[tuple[Path, ...], tyro.conf.Positional],
    /,
    *,
    out: Path,
    window: float | Literal["auto"] = "auto",
    stride: float | None = None,
    keep_tail: bool = False,
    query: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    batch_tokens: int = 16384,
    workers: int = 0,
    reports: bool = False,
    on_unknown: Literal["keep", "skip", "raise"] | None = None,
    align: Literal["none", "subject", "first_minute"] | None = None,
    heads: bool = False,
    by: Literal["recording", "subject"] | None = None,
    spread: bool = False,
    mapping: Path | None = None,
    set_: Annotated[tuple[str, ...], tyro.conf.arg(name="set")] = (),
) -> int:
    """Embed every window of shards or files into a parquet table; started again, it goes on where it was.

    Parameters
    ----------
    model : str
        Checkpoint folder, else weights that ship (biosig models names them), else a preset (random weights).
    source : tuple of Path
        Shard folders, recordings' files, or folders of recordings.
    out : Path
        The parquet file to write.
    window : float
        Seconds per window; auto = each epoch whole, and 10 s of anything else.
    stride : float
        Seconds from one window's onset to the next; default: the window's length.
    keep_tail : bool
        Also embed the rest after the last whole window, and recordings shorter than a window.
    query : str
        Recordings to take, by a query over index and label columns ("age > 60 and sex == 'female'"); shards only.
    device : str
        auto, cpu, cuda or cuda:N.
    dtype : str
        auto (bfloat16 on CUDA), float32 or bfloat16.
    batch_tokens : int
        Tokens per batch; less takes less memory.
    workers : int
        Background processes that read and prepare; 0 = none.
    reports : bool
        Let the model also read the recordings' reports; it must have a tokenizer.
    heads : bool
        Also write the numbers of the model's heads, a column each (head.ppg.heart_rate); it takes a second pass.
    on_unknown : str
        Policy for channels of unknown place: keep, skip or raise; default: EEG is skipped, ECG and PPG are kept.
    align : str
        Align EEG by all recordings of a subject, or by the first_minute of each recording; default: as the weights name
        it.
    by : str
        Write a row for each recording or subject, the mean over its windows; these are kept in OUT.windows.parquet.
    spread : bool
        With by, also write the standard deviation of each feature over the windows.
    mapping : Path, optional
        For tables and arrays: the YAML file that maps columns to channels, or the name of one that ships.
    set_ : tuple of str
        Facts that the recordings lack, KEY=VALUE: unit.eeg=uV, rename.ECG=I, sfreq=250 (of files, not of shards).
    """
    sources = check_paths(source, out)
    if spread and by is None:
        raise UsageError("--spread gives the deviation over pooled windows: add --by recording or --by subject.")
    out.parent.mkdir(parents=True, exist_ok=True)
    encoder = _model_on(device, model)
    windows, given = _windows_of(sources, query, window, stride, keep_tail, set_, mapping)
    _write_embeddings(
        of_windows(out, by), encoder, windows, given, batch_tokens, dtype, workers, reports, on_unknown, align, heads
    )
    n_rows = f"{len(windows)} windows" if by is None else _pool_embeddings(out, by, spread, len(windows))
    done = f"Embeddings: {out} ({n_rows}, by {encoder.name} {encoder.revision})"
    print_lines(Console(), done, *_seen(encoder.folder, windows))
    return 0


def _model_on(device: str, name: str) -> Model:
    from biosig.device import resolve_device
    from biosig.models.load import named_model

    return named_model(name).to(resolve_device(device))


def _windows_of(
    sources: Sequence[Path],
    query: str | None,
    window: float | Literal["auto"],
    stride: float | None,
    keep_tail: bool,
    stated: Sequence[str],
    mapping: Path | None,
) -> tuple[Windows, Given]:
    """Windows of sources, and the facts that KEY=VALUE state of their recordings."""
    from biosig.given import given_by
    from biosig.sources import as_windows

    given, of_files = given_by(stated), {} if mapping is None else {"mapping": str(mapping)}
    return as_windows(queried(sources, query), window, stride, keep_tail, **vars(given), **of_files), given


def _write_embeddings(
    out: Path,
    encoder: Model,
    windows: Windows,
    given: Given,
    batch_tokens: int,
    dtype: str,
    workers: int,
    reports: bool,
    on_unknown: OnUnknown | None,
    align: Align | None,
    heads: bool,
) -> None:
    from biosig.embedding_file import embed_to_file

    with show_progress(Console(stderr=True)) as progress:
        embed_to_file(
            encoder, windows, out, batch_tokens, dtype, workers, progress, reports, on_unknown, align, heads, given
        )


def _pool_embeddings(out: Path, by: Literal["recording", "subject"], spread: bool, n_windows: int) -> str:
    """Write the mean vectors by recording or subject to `out`; gives their number in words."""
    import pyarrow.parquet as pq

    from biosig.person_level import pool_embeddings

    pooled = pool_embeddings(of_windows(out, by), by, spread)
    with whole_file(out) as temporary:
        pq.write_table(pooled, temporary, write_page_checksum=True)
    return f"{pooled.num_rows} rows by {by} and modality from the {n_windows} windows of {of_windows(out, by)}"


def predict(
    model: Annotated[Path, tyro.conf.Positional],
    source: Annotated[tuple[Path, ...], tyro.conf.Positional],
    /,
    *,
    out: Path,
    stride: float | None = None,
    at: tuple[str, ...] = (),
    query: str | None = None,
    device: str = "auto",
    on_unknown: Literal["keep", "skip", "raise"] | None = None,
    by: Literal["recording", "subject"] | None = None,
    mapping: Path | None = None,
    set_: Annotated[tuple[str, ...], tyro.conf.arg(name="set")] = (),
) -> int:
    """Apply tuned weights to new recordings: a parquet table of calibrated probabilities or values.

    Parameters
    ----------
    model : Path
        Folder of tuned weights, such as results/sex/weights/fold-0-seed-0.
    source : tuple of Path
        Shard folders, recordings' files, or folders of recordings.
    out : Path
        The parquet file to write.
    stride : float
        Seconds from one window's onset to the next; default: the window's length.
    at : tuple of str
        Labels of annotations to put windows at, for a model that was tuned on windows around events.
    query : str
        Recordings to take, by a query over index and label columns ("age > 60 and sex == 'female'"); shards only.
    device : str
        auto, cpu, cuda or cuda:N.
    on_unknown : str
        Policy for channels of unknown place: keep, skip or raise; default: as the model was tuned.
    by : str
        Write an answer for each recording or subject, the mean over its windows with a 95 % interval; the windows are
        kept in OUT.windows.parquet.
    mapping : Path, optional
        For tables and arrays: the YAML file that maps columns to channels, or the name of one that ships.
    set_ : tuple of str
        Facts that the recordings lack, KEY=VALUE: unit.eeg=uV, rename.ECG=I, sfreq=250 (of files, not of shards).
    """
    from biosig.batches.stated import with_usable_units
    from biosig.device import resolve_device
    from biosig.downstream.finetune.classifier import load_classifier
    from biosig.downstream.finetune.predict import schema_of, windows_for
    from biosig.given import given_by
    from biosig.models.zoo.model import model_with
    from biosig.sources import as_recordings

    sources = check_paths(source, out)
    classifier, use = load_classifier(model)
    classifier.encoder = classifier.encoder.with_unknown(on_unknown)
    classifier.to(resolve_device(device))
    of_files = {} if mapping is None else {"mapping": str(mapping)}
    recordings = as_recordings(queried(sources, query), **vars(given_by(set_)), **of_files)
    windows = windows_for(use, recordings, stride, list(at))
    windows = with_usable_units(windows, classifier.encoder.config.contract, str(model))
    facts = {
        "weights": str(model),
        "revision": model_with(classifier.encoder, trained=True).revision,
        "target": use.target.title,
    }
    schema = schema_of(use, windows).with_metadata({"biosig": json.dumps(facts)})
    out.parent.mkdir(parents=True, exist_ok=True)
    remarks = _write_predictions(of_windows(out, by), classifier, use, windows, schema)
    n_rows = f"{len(windows)} windows"
    if by is not None:
        n_rows, caveats = _pool_predictions(out, by, len(windows), schema)
        remarks += caveats
    print_lines(Console(), f"Predictions: {out} ({n_rows})", *remarks, *_seen(model, windows))
    return 0


def _write_predictions(
    out: Path, classifier: Classifier, use: InputSignature, windows: Windows, schema: pa.Schema
) -> list[str]:
    """Write the predictions of all windows to `out`; gives remarks on windows that have none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from biosig.downstream.finetune.predict import predictions

    with whole_file(out) as temporary:
        with (
            pq.ParquetWriter(temporary, schema, write_page_checksum=True) as writer,
            show_progress(Console(stderr=True)) as progress,
        ):
            for table in predictions(classifier, use, windows, progress):
                writer.write_table(pa.Table.from_pandas(table, schema, preserve_index=False))
        return _without_prediction(pq.read_table(temporary, columns=["recording", "lacks"]).to_pandas())


def _pool_predictions(
    out: Path, by: Literal["recording", "subject"], n_windows: int, schema: pa.Schema
) -> tuple[str, list[str]]:
    """Write the answers by recording or subject to `out`; gives their number in words, and remarks on them."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    from biosig.person_level import pool_predictions

    pooled = pool_predictions(pd.read_parquet(of_windows(out, by)), by)
    with whole_file(out) as temporary:
        table = pa.Table.from_pandas(pooled, preserve_index=False).replace_schema_metadata(schema.metadata)
        pq.write_table(table, temporary, write_page_checksum=True)
    return f"{len(pooled)} rows by {by} from the {n_windows} windows of {of_windows(out, by)}", _caveats(pooled)


def evaluate(run: Annotated[Path, tyro.conf.Positional]) -> int:
    """Rate a result folder's saved predictions again, hold its scores to them, and write its report anew.

    Differences to the baselines, calibration and scores by group are computed again too, and an audit that was run on
    the folder since becomes part of the report.

    Parameters
    ----------
    run : Path
        Folder that `probe` or `finetune` wrote.

    Returns
    -------
    int
        Exit status: 1 if a saved score differs from that of the predictions.
    """
    from biosig.downstream.results.analysis import check_scores
    from biosig.downstream.results.report import write_report
    from biosig.downstream.results.saved import open_result

    saved = open_result(run)
    table = check_scores(saved)
    report = write_report(run)
    console = Console()
    print_scores(table, f"{saved.metrics['model']}: {saved.target.title}", saved.metrics["cohort"]["all"], console)
    print_lines(console, *(f"- {note}" for note in saved.metrics["notes"]), f"Scores are as saved. Report: {report}")
    return 0


def compare(runs: Annotated[tuple[Path, ...], tyro.conf.Positional], *, out: Path | None = None) -> int:
    """Put result folders side by side, with the paired difference of those that were tested on the same people.

    Parameters
    ----------
    runs : tuple of Path
        Result folders of probe and finetune, two or more.
    out : Path, optional
        Write the scores, with all metrics, as CSV.

    Returns
    -------
    int
        Exit status.
    """
    from biosig.csv_table import write_csv
    from biosig.downstream.results import compare as results

    found = results.compare(runs)
    if out is not None:
        with whole_file(out) as temporary:
            write_csv(found.table, temporary)
    print_comparison(found, Console())
    return 0


def check_paths(source: Path | Sequence[Path], out: Path | None) -> list[Path]:
    """The sources as a list; refuses a table that is not Parquet, and a source that is not there."""
    sources = [source] if isinstance(source, Path) else list(source)
    if out is not None and out.suffix != ".parquet":
        raise UsageError(f"--out is {out}; give a file name that ends in .parquet.")
    if not sources:
        raise UsageError("Name at least one source: shards, a recording's file, or a folder of recordings.")
    for one in sources:
        if not one.exists():
            raise UsageError(f"{one} does not exist: check the path.")
    return sources


def of_windows(out: Path, by: str | None) -> Path:
    """The file of the windows: `out`, or one beside it where `out` gets a row per recording or subject."""
    return out if by is None else out.with_name(f"{out.stem}.windows{out.suffix}")


def queried(sources: Sequence[Path], query: str | None) -> object:
    """The recordings of sources that a query finds, which shards alone can tell; without a query the sources."""
    if query is None:
        return sources[0] if len(sources) == 1 else list(sources)
    from biosig.shards.dataset import open_shards

    for source in sources:
        if source.suffix != ".h5" and not (source.is_dir() and any(source.glob("*.h5"))):
            raise UsageError(f"--query chooses among recordings in shards, which {source} is not: ingest it first.")
    found = [open_shards(source).query(query, may_be_empty=len(sources) > 1) for source in sources]
    return found[0] if len(found) == 1 else [one for one in found if len(one)]


def _seen(model: Path | None, windows: Windows) -> list[str]:
    """Warning if a model's ledger holds recordings or subjects that it was applied to, equal or near."""
    from biosig.evaluate.ledger import overlap_of

    found = overlap_of(model, windows) if model else None
    return [found.warning()] if found else []


def _without_prediction(table: pd.DataFrame) -> list[str]:
    """Remarks on windows that have no prediction.

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


def _caveats(pooled: pd.DataFrame) -> list[str]:
    """Remarks on rows by recording or subject whose intervals are absent or less reliable."""
    caveats = pooled["caveat"][pooled["caveat"] != ""].value_counts(sort=False)
    return [f"{n} of {len(pooled)} rows: {caveat}." for caveat, n in caveats.items()]
