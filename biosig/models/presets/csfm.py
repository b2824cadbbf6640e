"""CSFM's presets (arXiv:2507.01045; sizes from its public code): twelve ECG leads, PPG and reports.

Patches last 100 ms at 250 Hz, after NeuroKit2's cleaning and z-scores of the window.
"""

from __future__ import annotations

from dataclasses import replace

from biosig.batches.input_contract import InputContract
from biosig.layers.config import BlockStyle, LeadCode, TextConfig
from biosig.models.config import EncoderConfig
from biosig.models.presets import PRESETS, Preset

# None of 2500 samples can lie more than 50 deviations from their mean, so nothing is clipped.
_INPUT = InputContract(250.0, 0.1, 0.1, "mV", normalisation="window", clip=50.0, frame="leads", cleaning="neurokit")


def _csfm(name: str, embed_dim: int, depth: int, num_heads: int, hidden_dim: int) -> EncoderConfig:
    return EncoderConfig(
        embed_dim=embed_dim,
        depth=depth,
        num_heads=num_heads,
        head_dim=64,
        contract={"ecg": _INPUT, "ppg": replace(_INPUT, unit=None)},
        mlp_ratio=hidden_dim / embed_dim,
        position=LeadCode(),
        block=BlockStyle(norm="layer", mlp="gelu", dropout=0.1),
        patches="normed",
        text=TextConfig(30522, 64),  # the vocabulary of BERT, uncased, which does not ship
        cls=True,
        name=name,
    )


# Parameters as published, without the head.
PRESETS.register(Preset(_csfm("csfm-tiny", 768, 6, 8, 1024), 42_511_154))
PRESETS.register(Preset(_csfm("csfm-base", 768, 12, 12, 3072), 108_629_810))
PRESETS.register(Preset(_csfm("csfm-large", 1024, 16, 24, 4096), 266_515_506))
