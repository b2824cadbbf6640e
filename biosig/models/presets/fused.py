"""The fused presets of Biosig: ECG, PPG and EEG in one encoder, a token for all channels, in three sizes."""

from __future__ import annotations

from dataclasses import replace

from biosig.batches.input_contract import InputContract
from biosig.models.config import EncoderConfig
from biosig.models.fused.config import FusedConfig
from biosig.models.presets import PRESETS, Preset

# Bands and rates hold what is read from these signals and little else: an ECG's drift and mains are outside, the
# breath in a PPG's slow part is inside. Millivolts stay millivolts; an ECG that is in none is brought to 0.2, as usual.
_CONTRACT = {
    "ecg": InputContract(100.0, 0.08, 0.08, "mV", band=(0.5, 40.0), normalisation="constant", usual_scale=0.2),
    "ppg": InputContract(64.0, 0.25, 0.25, None, band=(0.1, 10.0)),
    "eeg": InputContract(128.0, 0.25, 0.25, "uV", band=(0.5, 45.0)),
}


def _fused(name: str, embed_dim: int, depth: int, num_heads: int, fused: FusedConfig) -> EncoderConfig:
    contract = {
        modality: replace(wanted, readout="mean+max+std", layers=layers)
        for modality, wanted in _CONTRACT.items()
        # What an EEG's stem sees tells people apart before it tells states apart: its last layer is read alone.
        for layers in [(-1,) if modality == "eeg" else (0, (depth + 1) // 2, -1)]
    }
    return EncoderConfig(
        embed_dim, depth, num_heads, embed_dim // num_heads, contract, mlp_ratio=4.0, fused=fused, name=name
    )


for _config, _n_parameters in (
    (_fused("biosig-fused-tiny", 128, 5, 4, FusedConfig()), 1_490_449),
    (_fused("biosig-fused-small", 224, 6, 8, FusedConfig(stem_dim=128)), 4_586_469),
    (_fused("biosig-fused-base", 512, 8, 8, FusedConfig(convs=3, stem_dim=128)), 26_634_701),
):
    PRESETS.register(Preset(_config, _n_parameters))
