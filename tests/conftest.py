"""What many tests start from: real recordings that ship with the package."""

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

import biosig
from biosig import samples
from biosig.models.encoder import Encoder
from biosig.models.presets import preset
from biosig.pretrain.build import resize
from biosig.pretrain.config import EncoderSize

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def same_draws():
    """Weights that a test draws without a seed are the same in each run."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def ecg():
    """A real 12-lead ECG, 10 s at 100 Hz."""
    return biosig.read(sorted(samples.path("ptbxl").rglob("*_lr.hea"))[0])


@pytest.fixture(scope="session")
def eeg():
    """A real EEG with annotations, at 160 Hz."""
    return biosig.read(sorted(samples.path("eegmmidb").glob("*R04.edf"))[0])


@pytest.fixture(scope="session")
def bedside():
    """A real bedside recording: PPG, ECG and respiration at 125 Hz, numerics at 1 Hz."""
    return biosig.read(sorted(samples.path("bidmc").rglob("*_Signals.csv.gz"))[0])


@pytest.fixture(scope="session")
def narrow_csfm():
    """CSFM's architecture in 0.5 M parameters, random weights: six blocks of width 64, and 1066 words."""
    size = EncoderSize(embed_dim=64, num_heads=2, head_dim=32, n_words=1066)
    torch.manual_seed(0)
    model = biosig.Model(Encoder(resize(preset("csfm-tiny"), size)), trained=False)
    model._warned = True
    return model


@pytest.fixture(scope="session")
def tiny():
    """The smallest preset, random weights."""
    model = biosig.build_model("biosig-tiny", seed=0)
    model._warned = True
    return model
