"""The verb `biosig convert`."""

from __future__ import annotations

from pathlib import Path

import tyro
from rich.console import Console

from biosig.errors import UsageError
from biosig.models import checkpoint
from biosig.models.convert import by_reason, convert
from biosig.models.model import Model
from biosig.models.text import Tokenizer


def convert_verb(src: tyro.conf.Positional[Path], *, out: Path, tokenizer: Path | None = None) -> int:
    """Turn weights of REVE (from the hub, its own code, or braindecode) or CSFM into a checkpoint folder.

    Parameters
    ----------
    src : Path
        Folder with config.json and model.safetensors, or a file of weights (safetensors, pth).
    out : Path
        The checkpoint folder to write.
    tokenizer : Path, optional
        The vocabulary that the model was trained with, kept with it: a BERT's vocab.txt, or a tokenizer.json.
    """
    if (out / checkpoint.CONFIG).exists():
        raise UsageError(f"{out} holds a checkpoint: give a new folder, or delete it first.")
    converted = convert(src)
    words = None if tokenizer is None else Tokenizer.load(tokenizer)
    reads = converted.encoder.config.text
    if words and (reads is None or words.n_words != reads.n_words):
        raise UsageError(
            f"{tokenizer} has {words.n_words} words and the model in {src} knows {reads.n_words if reads else 0}: give "
            f"the vocabulary that it was trained with, or leave --tokenizer out."
        )
    model = Model(converted.encoder, trained=True, card=converted.card, tokenizer=words)
    model.save(out)
    console = Console(highlight=False, soft_wrap=True)
    lines = [f"Wrote {out}: {model.name}, {model.n_parameters:,} parameters, revision {model.revision}."]
    lines += [f"Left out: {line}." for line in by_reason(converted.left_out)]
    lines += [f"Missing: {sentence}." for sentence in converted.missing]
    for line in lines:
        console.print(line, markup=False)
    return 0
