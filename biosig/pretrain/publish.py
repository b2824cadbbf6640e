"""What is published beside pretrained weights: the model card, and the ledger of what they have seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from biosig.batches.windows import Windows
from biosig.models.checkpoint import LEDGER, default_card
from biosig.models.encoder import Encoder
from biosig.pretrain.config import PretrainConfig


def write_ledger(windows: Windows, path: Path) -> None:
    """The content hashes and subjects of the recordings that the weights have seen: exact, one row per recording."""
    rows = [windows.ds[int(row)] for row in np.unique(windows.recording)]
    table = pa.table(
        {
            "content_hash": pa.array([r.content_hash for r in rows], pa.string()),
            "subject": pa.array([r.subject.id if r.subject else None for r in rows], pa.string()),
        }
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.sort_by("content_hash"), path, compression="zstd")


def model_card(config: PretrainConfig, encoder: Encoder, train: Windows) -> str:
    """The card of a pretrained model: what it saw, how, and what it is not."""
    recordings = np.unique(train.recording)
    subjects = {str(s) for s in train.subjects if s is not None}
    sources = [f"- `{Path(s.shards).name}`" + (f", where {s.query}" if s.query else "") for s in config.sources]
    return "\n".join(
        [
            default_card(encoder, trained=True),
            "## Pretraining",
            "",
            f"Masked reconstruction, {config.masking.mask_ratio:.0%} of the tokens hidden in space-time blocks; "
            f"{config.steps:,} steps of up to {config.batch_tokens:,} tokens, windows of {config.window:g} s, "
            f"seed {config.seed}.",
            f"Seen: {len(recordings):,} recordings of {len(subjects):,} named subjects, "
            f"{train.duration.sum() / 3600:.1f} h of windows, from",
            "",
            *sources,
            "",
            f"`{LEDGER}` lists the content hash and the subject's pseudonym of each recording seen "
            "(exact: no false positives).",
            "",
        ]
    )
