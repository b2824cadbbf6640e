"""Low-rank adaptation of the encoder's attention (Hu 2021, arXiv:2106.09685, section 4), by the package peft.

W is frozen, and B A of a low rank is trained beside it on the query, key, value and output projections, as in REVE
(arXiv:2510.21585, section 4). Afterwards B A is added to W, and the encoder has ordinary layers again.
"""

from __future__ import annotations

from typing import Any

from biosig.errors import UsageError
from biosig.models.encoder import Encoder

TARGETS = ("attention.qkv", "attention.out")


def add_lora(encoder: Encoder, rank: int, alpha: float) -> Any:
    """Add low-rank changes, zero at first, to the attention's projections, and freeze everything else.

    Parameters
    ----------
    encoder : Encoder
        Changed in place.
    rank : int
        Rank of each change; query, key and value are one projection here, and have one.
    alpha : float
        The change is scaled by alpha / rank.

    Returns
    -------
    peft.LoraModel
        For `merge`.

    Raises
    ------
    UsageError
        If peft is not installed, or the encoder has no attention.
    """
    try:
        from peft import LoraConfig, LoraModel
    except ImportError as error:
        raise UsageError(
            "LoRA needs the package peft: pip install 'biosig-fm[peft]', or choose tune.method=full."
        ) from error
    if not any(name.endswith(TARGETS) for name, _ in encoder.named_modules()):
        raise UsageError(
            f"Model '{encoder.config.name}' has no attention, and LoRA changes nothing else: choose tune.method=last "
            "or full."
        )
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(TARGETS), lora_dropout=0.0, bias="none")
    return LoraModel(encoder, config, "default")


def merge(adapted: Any) -> Encoder:
    """Add the changes to their weights, and return the encoder with its ordinary layers."""
    encoder: Encoder = adapted.merge_and_unload()
    return encoder
