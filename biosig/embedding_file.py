"""`embed_to_file`: vectors into a parquet file, part by part, so that a killed run goes on where it was."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from biosig.batches.alignment import aligned, chosen_align
from biosig.batches.input_contract import Align, OnUnknown, with_unknown
from biosig.batches.stated import with_usable_units
from biosig.batches.windows import Windows
from biosig.embedding_table import BATCH_TOKENS, embed_parts
from biosig.given import Given
from biosig.models.model import Model
from biosig.models.report_tokens import words_for
from biosig.progress import Progress
from biosig.table_parts import fingerprint_of, write_in_parts

PART_WINDOWS = 2048
"""Windows per part file: the most that a kill can cost."""


def embed_to_file(
    model: Model,
    windows: Windows,
    out: Path,
    batch_tokens: int = BATCH_TOKENS,
    dtype: str = "auto",
    workers: int = 0,
    progress: Progress | None = None,
    reports: bool = False,
    on_unknown: OnUnknown | None = None,
    align: Align | None = None,
    heads: bool = False,
    given: Given | None = None,
) -> Path:
    """Embed into a parquet file in bounded memory; killed and called again, it goes on where it was.

    Finished windows lie in `OUT.parts/`, one file per range of windows, with the range in its name, and the checksums
    of all in a list (`biosig.file_sums`). A range whose file is damaged or gone is embedded again. `given` is what was
    stated of the recordings when the windows were made.

    Raises
    ------
    DataError
        If the parts there belong to another model, source, windows, dtype or batch_tokens, or one with other reports
        or heads, or the disk is full.
    UsageError
        If another process is embedding into this file, or heads are asked for and the model has none.

    Warns
    -----
    DamagedWorkWarning
        Of each part that is damaged or gone.
    """
    align = chosen_align(align, model.contract, windows)
    identity = {
        "model_revision": model.revision,
        "windows": fingerprint_of(windows),
        "batch_tokens": batch_tokens,
        "dtype": dtype,
        **({"reports": True} if reports else {}),
        **({"on_unknown": on_unknown} if on_unknown else {}),
        **({"align": align} if align != "none" else {}),
        **({"heads": True} if heads else {}),
        **({"given": asdict(given)} if given else {}),
    }
    contract = with_unknown(model.contract, on_unknown)
    windows = aligned(with_usable_units(windows, contract, model.name), align)
    words = words_for(model.config, model.tokenizer) if reports else None
    return write_in_parts(
        out,
        len(windows),
        lambda span: embed_parts(
            model, windows, contract, span, batch_tokens, dtype, workers, progress, words, heads=heads
        ),
        PART_WINDOWS,
        identity,
        "embedding of another model, source, window, dtype, batch_tokens, align or heads",
    )
