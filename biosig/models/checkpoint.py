"""Checkpoint folders: `model.safetensors`, `config.json` with the input contract, `README.md` (the model card).

A model with a tokenizer has its `tokenizer.json` there too; one with heads, `heads.json` and `heads.safetensors`.
`SHA256SUMS` lists the files (`biosig.file_sums`), and each is compared with it while it is read.

Nothing is unpickled, and a key that does not match is an error.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from biosig import __version__, config
from biosig.batches.alignment import alignment_card
from biosig.errors import DataError, UnreadableError, UsageError
from biosig.file_sums import checked, guarded, remove, write_guarded
from biosig.models.build import make_encoder
from biosig.models.encoder import Encoder, EncoderConfig
from biosig.models.heads import Heads
from biosig.models.text import Tokenizer
from biosig.tensor_files import load_state, parse_tensors, read_tensors, write_tensors
from biosig.text_files import read_json

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
TOKENIZER = "tokenizer.json"
HEADS_CONFIG, HEADS_WEIGHTS = "heads.json", "heads.safetensors"
LEDGER, OLD_LEDGER = "seen.safetensors", "seen.parquet"
"""Files of the training ledger (`biosig.evaluate.ledger`); pretraining writes the first, and once wrote the second."""
FORMAT = 1
PUBLIC = "public"
"""Key of `config.json` under which a public encoder's sizes are, where our own encoders have "encoder"."""


def config_json(encoder_config: EncoderConfig, trained: bool) -> str:
    """Text of `config.json`."""
    content = {
        "format": FORMAT,
        "biosig": __version__,
        "trained": trained,
        "encoder": config.to_dict(encoder_config),
    }
    return json.dumps(content, indent=2) + "\n"


def revision_json(encoder_config: EncoderConfig, trained: bool) -> str:
    """The configuration that a revision is made of, spelt as 0.1.0 did: the same weights keep their revision."""
    content = json.loads(config_json(encoder_config, trained)) | {"biosig": "0.1.0"}
    position = content["encoder"]["position"]
    content["encoder"]["position"] = {"kind" if key == "name" else key: value for key, value in position.items()}
    if content["encoder"]["fused"] is None:
        del content["encoder"]["fused"]
    for wanted in content["encoder"]["contract"].values():
        for key in ("on_unknown", "usual_scale", "readout", "layers"):  # which 0.1.0 did not have
            if not wanted[key]:
                del wanted[key]
        if wanted["align"] == "none":
            del wanted["align"]
    return json.dumps(content, indent=2) + "\n"


def revision_of(configuration: str, network: nn.Module) -> str:
    """Twelve hexadecimal digits of a configuration and all weights and buffers of a network."""
    digest = hashlib.sha256(configuration.encode())
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:12]


def default_card(encoder: Encoder, trained: bool) -> str:
    """A model card with the facts that are known without the training run."""
    c = encoder.config
    rows = [
        f"| {m} | {k.sfreq:g} Hz | {k.patch_seconds:g} s | {k.unit or 'as recorded'} | {k.normalisation} |"
        for m, k in c.contract.items()
    ]
    return "\n".join(
        [
            f"# {c.name}",
            "",
            f"{sum(p.numel() for p in encoder.parameters()):,} parameters, width {c.embed_dim}, {c.depth} blocks, "
            f"{c.num_heads} heads. {'Trained weights.' if trained else 'Random weights: never trained.'}",
            "",
            "| modality | rate | patch | unit | normalisation |",
            "|---|---|---|---|---|",
            *rows,
            "",
            *(alignment_card(c.contract["eeg"].align) if "eeg" in c.contract else []),
            "For research, not a medical device. Embeddings can identify a subject: treat them as personal data.",
            "",
        ]
    )


def save(
    encoder: Encoder,
    trained: bool,
    folder: str | Path,
    card: str = "",
    tokenizer: Tokenizer | None = None,
    heads: Sequence[nn.Module] = (),
    dtype: torch.dtype = torch.float32,
) -> Path:
    """Write a checkpoint folder; each file appears whole or not at all.

    Parameters
    ----------
    encoder, trained, card, tokenizer, heads
        As in `biosig.models.model.Model`.
    folder : str or Path
        Folder to write to.
    dtype : torch.dtype
        Type that the parameters of encoder and heads are rounded to in the files; buffers stay as they are. `load`
        gives float32 again.

    Returns
    -------
    Path
        The folder.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(_state(encoder, dtype), folder / WEIGHTS)
    if tokenizer:
        with guarded(folder / TOKENIZER) as temporary:
            tokenizer.save(temporary)
    else:
        remove(folder / TOKENIZER)
    if heads:
        write_tensors(_state(nn.ModuleList(heads), dtype), folder / HEADS_WEIGHTS)
        kept = config.to_dict(Heads(tuple(head.config for head in heads)))  # type: ignore[misc]
        write_guarded(folder / HEADS_CONFIG, json.dumps(kept, indent=2) + "\n")
    else:
        remove(folder / HEADS_CONFIG)
        remove(folder / HEADS_WEIGHTS)
    # The configuration last: where it is, the folder is whole.
    write_guarded(folder / CARD, card or default_card(encoder, trained))
    write_guarded(folder / CONFIG, config_json(encoder.config, trained))
    return folder


def _state(module: nn.Module, dtype: torch.dtype) -> dict[str, Tensor]:
    """The state dict on the CPU, its parameters as `dtype`."""
    own = {name for name, _ in module.named_parameters()}
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    return {name: tensor.to(dtype) if name in own else tensor for name, tensor in state.items()}


def load(source: str | Path) -> tuple[Encoder, bool, str]:
    """Read a checkpoint folder: the encoder, whether it was trained, and its card.

    Raises
    ------
    UsageError
        If the folder or one of its files does not exist.
    DataError
        If it is damaged, of a newer format, or its keys do not match.
    """
    folder = Path(source)
    missing = [name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()]
    if missing and (folder / "model" / CONFIG).is_file():
        raise UsageError(f"{folder} is a pretraining run; its model is the folder in it: give {folder / 'model'}.")
    if missing:
        raise UsageError(
            f"{folder} is not a checkpoint folder: it lacks {' and '.join(missing)}. "
            f"Give a folder written by biosig pretrain, biosig convert or Model.save."
        )
    content = read_config(folder / CONFIG)
    if "format" not in content:
        raise UsageError(
            f"{folder} holds a model of another project: run 'biosig convert {folder} --out DIR', then load DIR."
        )
    try:
        written, values = int(content["format"]), content["encoder"]
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableError(f"{folder / CONFIG} is damaged ({error}): copy it again.") from error
    if written > FORMAT:
        raise DataError(
            f"{folder} is a checkpoint of format {written}; this version reads up to {FORMAT}: upgrade biosig-fm."
        )
    with checked(folder / WEIGHTS):  # its checksum is made while the encoder is
        encoder = make_encoder(config.load(EncoderConfig, values))
        state = parse_tensors(folder / WEIGHTS)
    load_state(encoder, state, where=str(folder / WEIGHTS))
    with checked(folder / CARD):
        card = (folder / CARD).read_text(encoding="utf-8", errors="replace") if (folder / CARD).is_file() else ""
    return encoder, bool(content.get("trained", False)), card


def load_tokenizer(folder: Path) -> Tokenizer | None:
    """The tokenizer of a checkpoint folder; None where it has none."""
    with checked(folder / TOKENIZER):
        return Tokenizer.load(folder / TOKENIZER) if (folder / TOKENIZER).is_file() else None


def load_heads(folder: Path, embed_dim: int) -> list[nn.Module]:
    """The heads of a checkpoint folder, none where it has none.

    Raises
    ------
    DataError
        If they are damaged, or their keys do not match.
    """
    if not (folder / HEADS_CONFIG).is_file():
        return []
    with checked(folder / HEADS_CONFIG):
        kept = config.load(Heads, read_config(folder / HEADS_CONFIG))
    heads = nn.ModuleList(head.make(embed_dim) for head in kept.heads)
    load_state(heads, read_tensors(folder / HEADS_WEIGHTS), str(folder / HEADS_WEIGHTS))
    return list(heads.eval())


def save_head(model: nn.Module, path: Path) -> None:
    """Write the weights of a model without those of its `encoder`, which have a file of their own."""
    state = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items() if not k.startswith("encoder.")}
    write_tensors(state, path)


def load_head(model: nn.Module, path: Path) -> None:
    """Load weights that `save_head` wrote into a model whose encoder is loaded; every key and shape must match."""
    own = {name: tensor for name, tensor in model.state_dict().items() if name.startswith("encoder.")}
    load_state(model, own | read_tensors(path), str(path))


def is_checkpoint(folder: Path) -> bool:
    """True if the folder's `config.json` was written by `save`, and not by another project."""
    return "format" in read_config(folder / CONFIG)


def read_config(path: Path) -> dict[str, Any]:
    """Content of a `config.json`, ours or another project's; damage is a DataError."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise UnreadableError(f"{path} is damaged (it holds no keys with values): copy it again.")
    return content
