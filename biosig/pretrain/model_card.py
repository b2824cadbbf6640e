"""Model card and ledger of pretrained weights, which are published beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from biosig.batches.windows import Windows
from biosig.config import to_dict
from biosig.evaluate.ledger import Ledger
from biosig.models.checkpoint import default_card
from biosig.models.encoder import Encoder
from biosig.models.report_tokens import RecordingWords
from biosig.pretrain.config import PretrainConfig, SourceConfig
from biosig.pretrain.objectives import TermConfig
from biosig.recording import SIMULATED


def ledger_of(windows: Windows, weights: Path | None) -> Ledger:
    """Ledger of a run: the recordings of its windows, and those in the ledger of the weights it began with.

    Simulated recordings are not of people who could be tested, and are not listed.
    """
    rows = [windows.ds[int(row)] for row in np.unique(windows.recording)]
    rows = [row for row in rows if row.subject is None or not row.subject.id.startswith(SIMULATED)]
    ledger = Ledger.of(
        [r.content_hash for r in rows],
        [r.subject.id if r.subject else None for r in rows],
        [r.fingerprint for r in rows],
    )
    if weights is None:
        return ledger
    before = Ledger.load(weights)
    return ledger | before if before else replace(ledger, complete=False)


def model_card(
    config: PretrainConfig, encoder: Encoder, train: Windows, words: RecordingWords | None, ledger: Ledger
) -> str:
    """The card of a pretrained model: objective, masking, training data and limits."""
    recordings = np.unique(train.recording)
    subjects = {str(s) for s in train.subjects if s is not None}
    n_simulated = sum(subject.startswith(SIMULATED) for subject in subjects)
    named = f"{len(subjects):,} named subjects" + (f" ({n_simulated:,} of them simulated)" if n_simulated else "")
    sources = [_about_source(source) for source in config.sources]
    return "\n".join(
        [
            default_card(encoder, trained=True),
            "## Pretraining",
            "",
            f"{config.steps:,} steps of up to {config.batch_tokens:,} tokens, windows of {config.window:g} s, seed "
            f"{config.seed}. The objective is",
            "",
            *[_about_term(term) for term in config.objective],
            "",
            f"The masking is `{config.masking.name}` ({_keys(config.masking)}).",
            *(f"Windows are augmented by `{one.name}` ({_keys(one)})." for one in config.augment),
            *_about_averages(config),
            f"Seen: {len(recordings):,} recordings of {named}, {train.duration.sum() / 3600:.1f} h of windows, from",
            "",
            *sources,
            "",
            *([f"Weights to begin with: `{config.weights.name}`.", ""] if config.weights else []),
            *_about_reports(words),
            ledger.sentence(),
            "",
        ]
    )


def _about_source(source: SourceConfig) -> str:
    facts = [f"- `{source.shards.name}`"]
    facts += [f"where {source.query}"] if source.query else []
    facts += [f"{source.copies} copies of each recording with its leads mixed"] if source.copies else []
    facts += [f"EEG aligned by {source.align.replace('_', ' ')}"] if source.align != "none" else []
    facts += [f"{source.share:.0%} of the windows that were drawn"] if source.share is not None else []
    return ", ".join(facts)


def _about_reports(words: RecordingWords | None) -> list[str]:
    if words is None:
        return []
    cut = f"{words.n_cut:,} of them were cut to {words.n_tokens} tokens" if words.n_cut else "none of them was cut"
    return [
        f"Reports that recordings came with were read in the {words.tokenizer.n_words:,} words of "
        f"`tokenizer.json`; {cut}.",
        "",
    ]


def _about_term(term: TermConfig) -> str:
    source = f"; {term.paper}" if term.paper else ""
    return f"- `{term.name}` (weight {term.weight:g}{source}): {term.summary}"


def _about_averages(config: PretrainConfig) -> list[str]:
    lines = []
    if config.teacher is not None:
        lines.append(f"The teacher is the moving average of the encoder, with momentum {config.teacher.momentum:g}.")
    if config.ema is not None:
        lines.append(f"The weights are the moving average of those of all steps, with decay {config.ema:g}.")
    return lines


def _keys(config: Any) -> str:
    return ", ".join(f"{key} {value}" for key, value in to_dict(config).items() if key != "name")
