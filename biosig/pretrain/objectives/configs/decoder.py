"""The size of a decoder."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DecoderConfig:
    """Size of the decoder, which is thrown away after pretraining; the rest of its blocks is as in the encoder.

    Parameters
    ----------
    embed_dim, depth, num_heads : int
        Width, number of blocks, attention heads.
    """

    embed_dim: int = 128
    depth: int = 2
    num_heads: int = 4
