"""REVE's presets (arXiv:2510.21585, table 5): EEG in 1-s patches that overlap by 0.1 s, with a 4D position code."""

from __future__ import annotations

from biosig.batches.input_contract import InputContract
from biosig.layers.config import ReveCode
from biosig.models.config import EncoderConfig
from biosig.models.presets import PRESETS, Preset

# 0.5-99.5 Hz, z-scores clipped at 15.
_CONTRACT = {
    "eeg": InputContract(200.0, 1.0, 0.9, "uV", band=(0.5, 99.5), normalisation="zscore", clip=15.0, frame="mri")
}


def _reve(name: str, embed_dim: int, depth: int, n_frequencies: int) -> EncoderConfig:
    return EncoderConfig(
        embed_dim=embed_dim,
        depth=depth,
        num_heads=embed_dim // 64,
        head_dim=64,
        contract=_CONTRACT,
        mlp_ratio=2.66,  # the released code's; the paper writes 8/3
        position=ReveCode(n_frequencies=n_frequencies),
        final_norm=False,
        initialisation="megatron",
        name=name,
    )


# Parameters as published, the pooling query included.
PRESETS.register(Preset(_reve("reve-small", 512, 4, 4), 12_667_904))
PRESETS.register(Preset(_reve("reve-base", 512, 22, 4), 69_189_632))
PRESETS.register(Preset(_reve("reve-large", 1216, 22, 5), 389_978_496))  # as released: table 6 of the paper says 1250
