"""CSFM's weights: the flat state dict that its authors give to those who sign their agreement.

Names and shapes are those of the code published with Gu et al. 2025 (arXiv:2507.01045). The tensors do not tell the
width of a head: it is 64 in every published size.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from biosig.electrodes.leads import LEADS
from biosig.errors import DataError
from biosig.layers.lead_positions import LeadCode
from biosig.layers.text import TextConfig
from biosig.models.encoder import EncoderConfig
from biosig.models.presets import PRESETS, preset
from biosig.models.read_weights import Plan

_EMBEDDING = {
    "cls_token": "cls",
    "ts_channel_type_embedding": "positions.lead",
    "ts_pos_embedding": "positions.time",
    "ts_to_patch_embedding.1.weight": "patches.project.0.weight",
    "ts_to_patch_embedding.1.bias": "patches.project.0.bias",
    "ts_to_patch_embedding.2.weight": "patches.project.1.weight",
    "ts_to_patch_embedding.2.bias": "patches.project.1.bias",
    "ts_to_patch_embedding.3.weight": "patches.project.2.weight",
    "ts_to_patch_embedding.3.bias": "patches.project.2.bias",
    "text_type_embedding": "text.kind",
    "text_pos_embedding": "text.place",
    "text_to_embedding.0.weight": "text.word.weight",
    "text_to_embedding.1.weight": "text.norm.weight",
    "text_to_embedding.1.bias": "text.norm.bias",
    "transformer.norm.weight": "norm.weight",
    "transformer.norm.bias": "norm.bias",
}

_LEADING_ONES = (
    "cls_token",
    "ts_channel_type_embedding",
    "ts_pos_embedding",
    "text_type_embedding",
    "text_pos_embedding",
)
"""Kept as (1, rows, width)."""

_BLOCK = {
    "0.norm.weight": "attention_norm.weight",
    "0.norm.bias": "attention_norm.bias",
    "0.to_qkv.weight": "attention.qkv.weight",
    "0.to_out.0.weight": "attention.out.weight",
    "0.to_out.0.bias": "attention.out.bias",
    "1.net.0.weight": "mlp_norm.weight",
    "1.net.0.bias": "mlp_norm.bias",
    "1.net.1.weight": "mlp.expand.weight",
    "1.net.1.bias": "mlp.expand.bias",
    "1.net.4.weight": "mlp.contract.weight",
    "1.net.4.bias": "mlp.contract.bias",
}

_LEFT_OUT = {
    r"mlp_head\.": "a classifier",
    r"dense_scratch\.|act_[1-4]_postprocess\.|dense_act_postprocess\.|dense_head\.": "the head for waveforms",
}

_LICENCE = (
    "CSFM's authors give its weights under an Academic Access Agreement, and its code has no licence: neither the "
    "weights nor what is made from them, this folder and models fine-tuned from it included, may be passed on."
)

_PREFIXES = ("encoder.", "")

_HEAD_DIM = 64


def recognises(state: Mapping[str, Tensor]) -> bool:
    """True if the tensors' names are CSFM's."""
    mark = ("ts_channel_type_embedding", "ts_to_patch_embedding.2.weight")
    return any({prefix + key for key in mark} <= state.keys() for prefix in _PREFIXES)


def plan(state: Mapping[str, Tensor], config: Mapping[str, Any], where: str) -> Plan:  # noqa: ARG001
    """Map tensors to those of ours, and name the encoder that they fit.

    Parameters
    ----------
    state : mapping of str to Tensor
        The weights.
    config : mapping
        Content of `config.json`: CSFM has none, and nothing is read from it.
    where : str
        The file, for messages.

    Raises
    ------
    DataError
        If the sizes are not those of a CSFM.
    """
    prefix = next(p for p in _PREFIXES if p + "ts_channel_type_embedding" in state)
    blocks = [re.match(rf"{re.escape(prefix)}transformer\.layers\.(\d+)\.", key) for key in state]
    depth = 1 + max((int(block[1]) for block in blocks if block), default=0)
    names = {prefix + theirs: ours for theirs, ours in _EMBEDDING.items()}
    for i in range(depth):
        names |= {f"{prefix}transformer.layers.{i}.{t}": f"blocks.{i}.{ours}" for t, ours in _BLOCK.items()}
    left_out = {
        key: why for key in state for start, why in _LEFT_OUT.items() if re.match(rf"(encoder\.)?({start})", key)
    }
    leading_ones = frozenset(prefix + key for key in _LEADING_ONES)
    return Plan(_size(state, prefix, depth, where), names, left_out, leading_ones=leading_ones, notes=(_LICENCE,))


def _size(state: Mapping[str, Tensor], prefix: str, depth: int, where: str) -> EncoderConfig:
    keys = {
        "leads": "ts_channel_type_embedding",
        "times": "ts_pos_embedding",
        "patch": "ts_to_patch_embedding.2.weight",
        "words": "text_to_embedding.0.weight",
        "places": "text_pos_embedding",
        "qkv": "transformer.layers.0.0.to_qkv.weight",
        "mlp": "transformer.layers.0.1.net.1.weight",
    }
    bad = [prefix + key for key in keys.values() if prefix + key not in state or state[prefix + key].ndim < 2]
    if bad:
        raise DataError(f"{where} does not tell the model's size: {', '.join(bad)} is missing or no matrix.")
    # A learned table is kept as (1, rows, width).
    rows, width = ({name: state[prefix + key].shape[i] for name, key in keys.items()} for i in (-2, -1))
    dim, inner, hidden = rows["patch"], rows["qkv"] // 3, rows["mlp"]
    csfm = preset("csfm-base")
    contract = csfm.contract["ecg"]
    if rows["leads"] != len(LEADS) or width["patch"] != contract.patch_size or inner % _HEAD_DIM:
        raise DataError(
            f"{where} has {rows['leads']} channel types, patches of {width['patch']} samples and {inner} for the heads "
            f"where every CSFM has {len(LEADS)}, {contract.patch_size} and a multiple of {_HEAD_DIM}: it is another "
            f"model's."
        )
    seconds = rows["times"] * contract.stride_seconds
    size = replace(
        csfm,
        embed_dim=dim,
        depth=depth,
        num_heads=inner // _HEAD_DIM,
        mlp_ratio=_ratio(hidden, dim),
        contract={m: replace(c, window_seconds=seconds) for m, c in csfm.contract.items()},
        position=LeadCode(n_patches=rows["times"]),
        text=TextConfig(n_words=rows["words"], n_tokens=rows["places"]),
        name="csfm",
    )
    known = [name for name in PRESETS if replace(size, name=name) == preset(name)]
    return replace(size, name=known[0]) if known else size


def _ratio(hidden_dim: int, embed_dim: int) -> float:
    """The quotient, rounded such that its product with `embed_dim` is not cut to one less than `hidden_dim`."""
    ratio = hidden_dim / embed_dim
    return ratio if int(embed_dim * ratio) == hidden_dim else math.nextafter(ratio, math.inf)
