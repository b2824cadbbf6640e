"""The verb `ingest`: a typed function that the command line and Python call alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro


def ingest(
    src: tyro.conf.Positional[tuple[Path, ...]],
    *,
    out: Path,
    recipe: Path | None = None,
    workers: int = 0,
    scheduler: str | None = None,
    resume: bool = False,
    against: tuple[Path, ...] = (),
    labels: tuple[Path, ...] = (),
    labels_spec: Path | None = None,
    id_column: tuple[str, ...] = (),
    subject_column: str | None = None,
    subject_pattern: str | None = None,
    mapping: Path | None = None,
    key: Path | None = None,
    recording_names: Literal["auto", "keep", "hash"] = "auto",
    content_hash: Literal["open", "keyed"] = "open",
    compression: Literal["lz4", "zstd"] = "lz4",
    strict: bool = False,
    set_: Annotated[tuple[str, ...], tyro.conf.arg(name="set")] = (),
) -> int:
    """Turn recordings into shards: read, join labels and subjects, apply a recipe, hide names, write.

    Parameters
    ----------
    src : tuple of Path
        Files and folders; folders are walked.
    out : Path
        Folder for the shards, their index, the recipe, and the tables of failed files and unmatched labels.
    recipe : Path, optional
        YAML file of the processing of samples (configs/ingest/*.yaml); default nothing, which is lossless.
    workers : int
        Processes that read, process and write; 0 = one per core.
    scheduler : str, optional
        Dask scheduler (tcp://HOST:PORT) whose workers do it instead; they must see SRC and OUT under the same paths.
    resume : bool
        Continue in a folder that holds shards: files that are in them are skipped.
    against : tuple of Path
        Folders of shards in which copies of these recordings are looked for too, such as those of another part or site.
    labels : tuple of Path
        Tables (CSV, TSV, Parquet) with one row per recording, subject or event: labels, subject, age, sex, report.
    labels_spec : Path, optional
        YAML file with the meaning of the tables' columns (configs/ingest/ptbxl-labels.yaml); default all columns are
        labels, but for those that sound like dates, times or names.
    id_column : tuple of str
        Column(s) of the table that name the recording by its file's name or by the end of its path.
    subject_column : str, optional
        Column of the table with the subject's id.
    subject_pattern : str, optional
        Regular expression over the path; its group `subject`, or its first, is the subject's id; a group `session`
        names the sitting, other named groups become labels.
    mapping : Path, optional
        YAML file of a table's or array's columns, or the name of one that ships; default the biosig.yaml beside it.
    key : Path, optional
        File with the secret key of the pseudonyms; default the one that BIOSIG_KEY_FILE names, else OUT.key is made.
    recording_names : {"auto", "keep", "hash"}
        Ids of recordings: keep = the files' names (a keyed hash where two have one name), hash = keyed hashes, auto =
        hashes where a name is not a code ("rec01_night" is one) or tells the subject.
    content_hash : {"open", "keyed"}
        Hashes of the samples: open = as they are, with fingerprints: copies, ledgers and folds agree across sites;
        keyed = under the key, without fingerprints: others cannot find the recordings you hold (docs/privacy.md).
    compression : {"lz4", "zstd"}
        LZ4 reads nearly twice as fast; Zstandard writes faster and is up to a tenth smaller.
    strict : bool
        Stop before anything is written where RECORDS, SHA256SUMS or participants.tsv beside the sources and the files
        there disagree; otherwise the differences are shown, and listed in OUT/inventory.parquet.
    set_ : tuple of str
        KEY=VALUE: changes to the recipe (sfreq.ecg=500), facts that files lack (unit.eeg=uV, rename.ECG=I, sfreq=250).

    Returns
    -------
    int
        Exit status: 1 if any file failed, or a table of subjects knows none; the others are ingested all the same.
    """
    from ingest.cli.run_ingest import Execution, Joining, Naming, run_ingest  # which SciPy, pandas and HDF5 come with

    joining = Joining(labels, labels_spec, id_column, subject_column, subject_pattern)
    execution = Execution(workers, scheduler, resume, against, compression, strict)
    return run_ingest(src, out, recipe, mapping, set_, joining, Naming(key, recording_names, content_hash), execution)
