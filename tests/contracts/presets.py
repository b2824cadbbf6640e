"""What every preset promises, whoever registered it."""

import warnings

import torch

import biosig
from biosig import config, samples
from biosig.models.build import make_encoder
from biosig.models.config import EncoderConfig
from biosig.models.presets import PRESETS
from biosig.models.text import Tokenizer

MOST_BUILT = 50_000_000
"""Parameters up to which a preset is built and applied; a larger one is counted without making its weights."""

SAMPLES = {
    "ecg": ("ptbxl", "*_lr.hea"),
    "eeg": ("eegmmidb", "*R04.edf"),
    "ppg": ("bidmc", "*_Signals.csv.gz"),
}


def check(name, most_built=MOST_BUILT):
    """The preset is called so, survives its file, has the size it says, and encodes each modality that it names."""
    member = PRESETS[name]
    size = member.config
    assert member.name == name
    assert name in {one.name for one in biosig.list_models()}
    assert config.load(EncoderConfig, config.to_dict(size)) == size
    assert size.contract
    with torch.device("meta"):
        n_parameters = sum(parameter.numel() for parameter in make_encoder(size).parameters())
    assert member.n_parameters in (None, n_parameters), f"{name} has {n_parameters} parameters"
    if member.tokenizer:
        assert size.text is not None
        assert size.text.n_words == Tokenizer.default().n_words
    if n_parameters <= most_built:
        for modality in size.contract:
            _encodes(name, modality)


def _encodes(name, modality):
    folder, pattern = SAMPLES[modality]
    recording = biosig.read(sorted(samples.path(folder).rglob(pattern))[0])
    stream = next(recording.of_kind(modality))
    model = biosig.build_model(name)
    contract = model.contract[modality]
    n_times = round(max(2.0, 2 * contract.patch_seconds) * stream.sfreq)
    window = stream.physical()[None, :12, :n_times]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        out = model.encode(window, stream.sfreq, stream.ch_names[:12], modality, units=stream.channels[0].unit)
    assert "random weights" in " ".join(str(warning.message) for warning in caught)
    n_patches = contract.n_patches_in(n_times / stream.sfreq)
    n_rows = 1 if model.config.fused else window.shape[1]
    assert out.tokens.shape == (1, n_rows, n_patches, model.embed_dim)
    assert out.valid.all()
    assert out.tokens.isfinite().all()
    assert out.pooled.isfinite().all()
    assert out.pooled.shape == (1, model.embed_dim)
    upside_down = model.encode(-window, stream.sfreq, stream.ch_names[:12], modality, units=stream.channels[0].unit)
    assert not torch.allclose(upside_down.tokens, out.tokens, atol=1e-4), f"{name} does not see the signal"
    assert name in repr(model)
