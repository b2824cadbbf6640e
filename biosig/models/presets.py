"""The presets: names for sizes of the one encoder, with the input contract that belongs to each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from biosig.batches.contract import InputContract
from biosig.errors import UsageError
from biosig.layers.block import BlockStyle
from biosig.layers.lead_positions import LeadCode
from biosig.layers.reve_positions import ReveCode
from biosig.layers.text import TextConfig
from biosig.models.encoder import EncoderConfig


def _contract(sfreq: Mapping[str, float], patch_seconds: Mapping[str, float]) -> dict[str, InputContract]:
    units = {"ecg": "mV", "ppg": None, "eeg": "uV"}
    return {m: InputContract(sfreq[m], patch_seconds[m], patch_seconds[m], units[m]) for m in sfreq}


# 250 Hz holds the diagnostic band of an adult ECG (to 100 Hz and above), 200 Hz the clinical EEG, 125 Hz is what
# monitors give for PPG. A patch is about a QRS complex, two cycles of alpha rhythm, half a pulse wave.
_CONTRACT = _contract({"ecg": 250.0, "ppg": 125.0, "eeg": 200.0}, {"ecg": 0.2, "ppg": 0.4, "eeg": 0.4})

# For tests and the demo on two cores: lower rates and longer patches, so half the tokens.
_TINY_CONTRACT = _contract({"ecg": 100.0, "ppg": 50.0, "eeg": 100.0}, {"ecg": 0.4, "ppg": 0.4, "eeg": 0.4})

# The words of the tokenizer that ships, and the longest report of PTB-XL twice over.
_TEXT = TextConfig(n_words=1066, n_tokens=128)

# REVE (arXiv:2510.21585, table 5): 1-s patches that overlap by 0.1 s, 0.5-99.5 Hz, z-scores clipped at 15.
_REVE_CONTRACT = {
    "eeg": InputContract(200.0, 1.0, 0.9, "uV", band=(0.5, 99.5), normalisation="zscore", clip=15.0, frame="mri")
}


def _reve(name: str, embed_dim: int, depth: int, n_frequencies: int) -> EncoderConfig:
    return EncoderConfig(
        embed_dim=embed_dim,
        depth=depth,
        num_heads=embed_dim // 64,
        head_dim=64,
        contract=_REVE_CONTRACT,
        mlp_ratio=2.66,  # the released code's; the paper writes 8/3
        position=ReveCode(n_frequencies=n_frequencies),
        final_norm=False,
        initialisation="megatron",
        name=name,
    )


# CSFM (arXiv:2507.01045; sizes from its public code): 100-ms patches at 250 Hz, cleaned by NeuroKit2, z-scores of the
# window; none of 2500 samples can lie more than 50 deviations from their mean, so nothing is clipped.
_CSFM_INPUT = InputContract(
    250.0, 0.1, 0.1, "mV", normalisation="window", clip=50.0, frame="leads", cleaning="neurokit"
)


def _csfm(name: str, embed_dim: int, depth: int, num_heads: int, hidden_dim: int) -> EncoderConfig:
    return EncoderConfig(
        embed_dim=embed_dim,
        depth=depth,
        num_heads=num_heads,
        head_dim=64,
        contract={"ecg": _CSFM_INPUT, "ppg": replace(_CSFM_INPUT, unit=None)},
        mlp_ratio=hidden_dim / embed_dim,
        position=LeadCode(),
        block=BlockStyle(norm="layer", mlp="gelu", dropout=0.1),
        patches="normed",
        text=TextConfig(30522, 64),  # the vocabulary of BERT, uncased
        cls=True,
        name=name,
    )


_PRESETS = {
    "biosig-tiny": EncoderConfig(128, 4, 4, 32, _TINY_CONTRACT, text=_TEXT, name="biosig-tiny"),
    "biosig-small": EncoderConfig(256, 7, 4, 64, _CONTRACT, text=_TEXT, name="biosig-small"),
    "biosig-base": EncoderConfig(512, 22, 8, 64, _CONTRACT, text=_TEXT, name="biosig-base"),
    "biosig-large": EncoderConfig(1216, 22, 19, 64, _CONTRACT, text=_TEXT, name="biosig-large"),
    "reve-small": _reve("reve-small", 512, 4, 4),
    "reve-base": _reve("reve-base", 512, 22, 4),
    "reve-large": _reve("reve-large", 1216, 22, 5),  # as released: table 6 of the paper says 1250
    "csfm-tiny": _csfm("csfm-tiny", 768, 6, 8, 1024),
    "csfm-base": _csfm("csfm-base", 768, 12, 12, 3072),
    "csfm-large": _csfm("csfm-large", 1024, 16, 24, 4096),
}


def list_models() -> list[str]:
    """Names of the presets that `build_model` knows."""
    return list(_PRESETS)


def preset(name: str) -> EncoderConfig:
    """The configuration of a preset.

    Raises
    ------
    UsageError
        If there is none of that name; the sentence lists those that exist.
    """
    if name not in _PRESETS:
        raise UsageError(f"There is no preset '{name}'; there are {', '.join(_PRESETS)}.")
    return _PRESETS[name]
