"""The encoder that a configuration stands for."""

from __future__ import annotations

from biosig.models.config import EncoderConfig
from biosig.models.encoder import Encoder
from biosig.models.fused.encoder import FusedEncoder


def make_encoder(config: EncoderConfig) -> Encoder:
    """An encoder with random weights from torch's generator: fused where the configuration says so."""
    return Encoder(config) if config.fused is None else FusedEncoder(config)
