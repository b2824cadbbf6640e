"""The verb `biosig embed`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from biosig.device import resolve_device
from biosig.embedding import BATCH_TOKENS, as_windows, embed_to_file
from biosig.errors import UsageError
from biosig.models.model import Model, build_model, list_models, load_model
from biosig.progress import show_progress


def embed_verb(
    model: Annotated[str, tyro.conf.Positional],
    source: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    out: Path,
    window: float = 10.0,
    stride: float | None = None,
    keep_tail: bool = False,
    query: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    batch_tokens: int = BATCH_TOKENS,
    workers: int = 0,
    reports: bool = False,
) -> int:
    """Embed every window of shards or files into a parquet table; started again, it goes on where it was.

    Parameters
    ----------
    model : str
        Checkpoint folder, or the name of a preset (random weights).
    source : Path
        Shard folder, a recording's file, or a folder of recordings.
    out : Path
        The parquet file to write.
    window : float
        Seconds per window.
    stride : float
        Seconds from one window's onset to the next; default: the window's length.
    keep_tail : bool
        Also embed what is left after the last whole window, and recordings shorter than a window.
    query : str
        Which recordings to take, over index and label columns ("age > 60 and sex == 'female'"); shards only.
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
    """
    if out.suffix != ".parquet":
        raise UsageError(f"--out is {out}; give a file name that ends in .parquet.")
    if not source.exists():
        raise UsageError(f"{source} does not exist: check the path.")
    out.parent.mkdir(parents=True, exist_ok=True)
    encoder = find_model(model).to(resolve_device(device))
    windows = as_windows(queried(source, query), window, stride, keep_tail)
    with show_progress(Console(stderr=True)) as progress:
        embed_to_file(encoder, windows, out, batch_tokens, dtype, workers, progress, reports)
    line = f"Embeddings: {out} ({len(windows)} windows by {encoder.name} {encoder.revision})"
    Console().print(line, markup=False, highlight=False, soft_wrap=True)
    return 0


def find_model(name: str) -> Model:
    """A checkpoint folder loaded, or a preset built with random weights."""
    return build_model(name) if name in list_models() and not Path(name).exists() else load_model(name)


def queried(source: Path, query: str | None) -> object:
    """The recordings of a source that a query finds, which shards alone can tell; without a query the source."""
    if query is None:
        return source
    from biosig.shards.dataset import open_shards

    if source.suffix != ".h5" and not (source.is_dir() and any(source.glob("*.h5"))):
        raise UsageError(f"--query chooses among recordings in shards, which {source} is not: ingest it first.")
    return open_shards(source).query(query, may_be_empty=False)
