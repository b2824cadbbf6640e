"""The presets of Biosig: ECG, PPG, EEG and reports in one encoder, in four sizes."""

from __future__ import annotations

from collections.abc import Mapping

from biosig.batches.input_contract import InputContract
from biosig.layers.config import TextConfig
from biosig.models.config import EncoderConfig
from biosig.models.presets import PRESETS, Preset


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

for _config, _n_parameters in (
    (EncoderConfig(128, 4, 4, 32, _TINY_CONTRACT, text=_TEXT, name="biosig-tiny"), 989_568),
    (EncoderConfig(256, 7, 4, 64, _CONTRACT, text=_TEXT, name="biosig-small"), 5_963_520),
    (EncoderConfig(512, 22, 8, 64, _CONTRACT, text=_TEXT, name="biosig-base"), 70_265_344),
    (EncoderConfig(1216, 22, 19, 64, _CONTRACT, text=_TEXT, name="biosig-large"), 393_710_400),
):
    PRESETS.register(Preset(_config, _n_parameters, tokenizer=True))
