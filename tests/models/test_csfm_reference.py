"""With weights by CSFM's names the converted model gives what a float64 reading of the description gives."""

import numpy as np
import pytest
import torch
from csfm_layout import CHANNELS, forward, random_state

import biosig
from biosig import samples
from biosig.models.convert import convert
from biosig.models.model import Model

PPG = len(CHANNELS) - 1
INPUTS = {"lead II": [1], "PPG": [PPG], "II + PPG": [1, PPG], "12 leads": list(range(12))}


@pytest.fixture(scope="module")
def recordings():
    """13 real channels in CSFM's order, 2 windows of 10 s at 250 Hz, z-scores of the window (2, 13, 2500)."""
    ecg = [biosig.read(path).streams[0].physical() for path in sorted(samples.path("ptbxl").rglob("*_hr.hea"))[:2]]
    bedside = biosig.read(sorted(samples.path("bidmc").rglob("*_Signals.csv.gz"))[0])
    ppg = next(bedside.of_kind("ppg")).physical()[0, :2500].reshape(2, 1, 1250)
    windows = np.concatenate([np.stack(ecg)[:, :, ::2], np.repeat(ppg, 2, axis=2)], axis=1).astype(np.float64)
    return (windows - windows.mean(-1, keepdims=True)) / windows.std(-1, keepdims=True)


def converted(state, folder):
    torch.save(state, folder / "CSFM.pth")
    return Model(convert(folder / "CSFM.pth").encoder, trained=True)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """CSFM-Tiny, two blocks deep and with fewer words."""
    state = random_state(768, depth=2, heads=8, hidden=1024, n_words=500)
    return state, converted(state, tmp_path_factory.mktemp("small"))


def compare(state, model, windows, channels, text):
    """Relative errors of the CLS and of the last layer's tokens, signals and text, against the description."""
    expected = torch.from_numpy(forward(state, windows[:, channels], channels, text))
    kinds = ["ppg" if c == PPG else "ecg" for c in channels]
    names = [CHANNELS[c] for c in channels]
    out = model.encode(windows[:, channels], sfreq=250, ch_names=names, kind=kinds, text=text, prepare=False)
    tokens = [out.pooled[:, None], out.tokens.flatten(1, 2)] + ([out.text] if text else [])
    ours = torch.cat(tokens, dim=1).double()
    assert ours.shape == expected.shape
    return far(ours[:, 0], expected[:, 0]), far(ours, expected)


def far(ours, expected):
    return ((ours - expected).abs().max() / expected.abs().max()).item()


def words(n_tokens, n_words=500):
    return np.random.default_rng(1).integers(n_words, size=(2, n_tokens)).tolist()


@pytest.mark.parametrize("n_words", [0, 64])
@pytest.mark.parametrize("channels", INPUTS.values(), ids=INPUTS)
def test_cls_and_tokens_are_the_descriptions(small, recordings, channels, n_words):
    cls, tokens = compare(*small, recordings, channels, words(n_words) if n_words else None)
    assert cls < 1e-5
    assert tokens < 1e-5


def test_a_shorter_window_and_a_shorter_text_have_fewer_tokens_and_the_first_places(small, recordings):
    cls, tokens = compare(*small, recordings[:, :, :1000], [1, PPG], words(9))
    assert cls < 1e-5
    assert tokens < 1e-5


@pytest.mark.slow
def test_the_whole_of_csfm_tiny_is_the_descriptions(recordings, tmp_path):
    state = random_state(768, depth=6, heads=8, hidden=1024)
    model = converted(state, tmp_path)
    assert model.name == "csfm-tiny"
    cls, tokens = compare(state, model, recordings, list(range(12)), words(64, 30522))
    assert cls < 1e-5
    assert tokens < 1e-5
