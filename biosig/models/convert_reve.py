"""REVE's weights: those on the Hugging Face hub, the official code's ``encoder.pth``, and braindecode's.

Names and sizes are those of El Ouahidi et al. 2025 (arXiv:2510.21585, table 6) and of the code published with it. The
tensors do not tell the number of frequencies nor the width of a head: `config.json` does, else they are REVE's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from torch import Tensor

from biosig.config import load
from biosig.errors import DataError
from biosig.models.encoder import EncoderConfig, ReveCode
from biosig.models.presets import PRESETS, preset
from biosig.models.read_weights import Plan

_EMBEDDING = {
    "to_patch_embedding.0.weight": "patches.project.eeg.weight",
    "to_patch_embedding.0.bias": "patches.project.eeg.bias",
    "mlp4d.0.weight": "positions.mlp.0.weight",
    "mlp4d.2.weight": "positions.mlp.2.weight",
    "mlp4d.2.bias": "positions.mlp.2.bias",
    "ln.weight": "positions.norm.weight",
    "ln.bias": "positions.norm.bias",
}

_BLOCK = {
    "0.norm.weight": "attention_norm.weight",
    "0.to_qkv.weight": "attention.qkv.weight",
    "0.to_out.weight": "attention.out.weight",
    "1.net.0.weight": "mlp_norm.weight",
    "1.net.1.weight": "mlp.expand.weight",
    "1.net.3.weight": "mlp.contract.weight",
}

_QUERY = "cls_query_token"

_LEFT_OUT = {
    "final_layer.": "a classifier",
    "linear_head.": "a classifier",
    "mask_token": "the decoder of pretraining",
    "enc_to_dec.": "the decoder of pretraining",
    "pos_enc_to_dec.": "the decoder of pretraining",
    "decoder.": "the decoder of pretraining",
    "to_pixels.": "the decoder of pretraining",
    "cls_to_pixels.": "the second loss of pretraining",
}

_LICENCE = (
    "The weights that brain-bzh publishes are gated under a Responsible Use Agreement: neither they nor what is made "
    "from them, this folder and models fine-tuned from it included, may be passed on without the authors' permission."
)


_PREFIXES = ("", "encoder.")
"""The second where the encoder was saved with its decoder or its classifier."""


@dataclass(frozen=True)
class _Published:
    """Sizes of the encoder in `config.json`, with the defaults that hold where it is silent."""

    embed_dim: int | None = None
    depth: int | None = None
    heads: int | None = None
    head_dim: int = 64
    mlp_dim_ratio: float = 2.66
    freqs: int | None = None
    patch_size: int = 200
    patch_overlap: int = 20
    use_geglu: bool = True
    sfreq: float = 200.0


def recognises(state: Mapping[str, Tensor]) -> bool:
    """True if the tensors' names are REVE's."""
    mark = ("to_patch_embedding.0.weight", "mlp4d.0.weight")
    return any({prefix + key for key in mark} <= state.keys() for prefix in _PREFIXES)


def plan(state: Mapping[str, Tensor], config: Mapping[str, Any], where: str) -> Plan:
    """Map tensors to those of ours, and name the encoder that they fit.

    Parameters
    ----------
    state : mapping of str to Tensor
        The weights.
    config : mapping
        Content of `config.json`, braindecode's or the hub's; empty where there is none.
    where : str
        The file, for messages.

    Raises
    ------
    DataError
        If the sizes are not those of a REVE, or `config` contradicts them.
    """
    prefix = next(p for p in _PREFIXES if p + "mlp4d.0.weight" in state)
    known = {f.name for f in fields(_Published)}
    # The rest of config.json is about the head or the file; null is what braindecode writes where nothing was given.
    published = load(_Published, {key: value for key, value in config.items() if key in known and value is not None})
    blocks = [re.match(rf"{prefix}transformer\.layers\.(\d+)\.", key) for key in state]
    depth = 1 + max((int(block[1]) for block in blocks if block), default=0)
    names = {prefix + theirs: ours for theirs, ours in _EMBEDDING.items()}
    for i in range(depth):
        names |= {f"{prefix}transformer.layers.{i}.{t}": f"blocks.{i}.{ours}" for t, ours in _BLOCK.items()}
    # The hub and braindecode have the query in the encoder, decoder and classifier beside it.
    query = prefix + _QUERY if prefix + _QUERY in state else _QUERY
    names[query] = "pool.query"
    left_out = {key: why for key in state for start, why in _LEFT_OUT.items() if key.startswith(start)}
    notes = [_LICENCE]
    if published.freqs is None:
        notes.append(
            "The weights came without config.json: frequencies, width of a head and overlap are taken to be REVE's."
        )
    return Plan(
        config=_size(state, published, prefix, depth, where),
        names=names,
        left_out=left_out,
        leading_ones=frozenset({query}),
        absent={"pool.query": "no pooling query came with the weights: pooled vectors are the mean of the tokens"},
        notes=tuple(notes),
    )


def _size(state: Mapping[str, Tensor], published: _Published, prefix: str, depth: int, where: str) -> EncoderConfig:
    keys = {
        "patch": f"{prefix}to_patch_embedding.0.weight",
        "qkv": f"{prefix}transformer.layers.0.0.to_qkv.weight",
        "mlp": f"{prefix}transformer.layers.0.1.net.3.weight",
    }
    bad = [key for key in keys.values() if key not in state or state[key].ndim != 2]
    if bad:
        raise DataError(f"{where} does not tell the model's size: {', '.join(bad)} is missing or no matrix.")
    dim, patch_size = state[keys["patch"]].shape
    inner, hidden = state[keys["qkv"]].shape[0] // 3, state[keys["mlp"]].shape[1]
    heads = inner // max(published.head_dim, 1)
    n_frequencies = published.freqs or (4 if dim <= 2 * 4**4 else 5)
    agree = {
        "embed_dim": published.embed_dim in (None, dim),
        "depth": published.depth in (None, depth),
        "heads": published.heads in (None, heads),
        "head_dim": heads * published.head_dim == inner,
        "mlp_dim_ratio": int(dim * published.mlp_dim_ratio) == hidden,
        "freqs": dim <= 2 * n_frequencies**4,
        "patch_size": published.patch_size == patch_size == 200,
        "patch_overlap": published.patch_overlap == 20,
        "use_geglu": published.use_geglu,
        "sfreq": published.sfreq == 200,
    }
    wrong = [key for key, agrees in agree.items() if not agrees]
    if wrong:
        raise DataError(
            f"The weights in {where} are {depth} blocks of width {dim}, with {inner} for the heads, {hidden} in the "
            f"feed-forward and patches of {patch_size}, and config.json contradicts them or no REVE is so: see "
            f"{', '.join(wrong)} (REVE: patches of 200 samples, 20 in common, at 200 Hz, GEGLU)."
        )
    size = replace(
        preset("reve-base"),
        embed_dim=dim,
        depth=depth,
        num_heads=heads,
        head_dim=published.head_dim,
        mlp_ratio=published.mlp_dim_ratio,
        position=ReveCode(n_frequencies=n_frequencies),
        name="reve",
    )
    known = [name for name in PRESETS if replace(size, name=name) == preset(name)]
    return replace(size, name=known[0]) if known else size
