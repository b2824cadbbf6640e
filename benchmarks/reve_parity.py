"""The same weights in braindecode's REVE and in ours: largest difference between the features, over the largest value.

Random weights (the published ones are gated) are saved as braindecode saves them, and in the hub's layout, converted,
and applied to 1 to 128 channels and 1 to 30 s. `--reference DIR` instead writes the small reference of
`tests/models/test_convert_reve.py`: weights of two narrow layers, signals, and what braindecode makes of them.

Needs an environment with braindecode 1.8.1. On a CPU build of torch, braindecode imports only when the compiled
libraries of its dependency torchaudio, which are for CUDA, are moved out of `torchaudio/lib`. Its REVE downloads
electrode positions when it is built; offline, a prefetched `reve_positions.json` in the folder that the environment
variable REVE_POSITIONS_PATH names serves as well.

    python benchmarks/reve_parity.py                       # about 3 minutes
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from pathlib import Path

import mne
import torch
from braindecode.models import REVE
from safetensors.torch import save_file
from torch import Tensor

import biosig
from biosig import samples
from biosig.models.convert import convert
from biosig.models.model import Model
from biosig.models.presets import preset
from biosig.signal import resample

CHANNELS = (1, 19, 64, 128)
SECONDS = (1, 10, 30)
NARROW = {"embed_dim": 64, "depth": 2, "heads": 2, "head_dim": 32, "freqs": 3}


def sizes(name: str) -> dict[str, int]:
    """A preset's size in braindecode's words."""
    config = preset(name)
    return {
        "embed_dim": config.embed_dim,
        "depth": config.depth,
        "heads": config.num_heads,
        "head_dim": config.head_dim,
        "freqs": config.position.n_frequencies,
    }


def random_reve(size: dict[str, int]) -> REVE:
    """braindecode's REVE; norms and biases are moved from 1 and 0, so that none passes for another."""
    torch.manual_seed(0)
    model = REVE(n_outputs=2, n_chans=1, n_times=2000, sfreq=200, attention_pooling=True, **size).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def save_like_the_hub(model: REVE, size: dict[str, int], folder: Path) -> Path:
    """Write the layout of the published models: the encoder alone, and their `config.json`."""
    state = {k: v.contiguous() for k, v in model.state_dict().items() if not k.startswith("final_layer.")}
    config = {**size, "mlp_dim_ratio": 2.66, "use_geglu": True, "noise_ratio": 0.0025, "patch_size": 200}
    config |= {"patch_overlap": 20, "model_type": "reve", "architectures": ["Reve"], "dtype": "float32"}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(state, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return folder


def converted(model: REVE, size: dict[str, int]) -> Model:
    """The model saved in both layouts and converted from both, which must agree to the bit."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(Path(folder, "braindecode"))
        save_like_the_hub(model, size, Path(folder, "hub"))
        one, other = (convert(Path(folder, layout)) for layout in ("braindecode", "hub"))
    states = one.encoder.state_dict(), other.encoder.state_dict()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    return Model(one.encoder, trained=True)


def positions(n_chans: int) -> Tensor:
    """Places of a BioSemi cap, in metres, shape (C, 3)."""
    places = mne.channels.make_standard_montage("biosemi128").get_positions()["ch_pos"]
    return torch.tensor(list(places.values()), dtype=torch.float32)[:n_chans]


def far(ours: Tensor, theirs: Tensor) -> float:
    """Largest absolute difference over largest absolute value."""
    return float((ours - theirs).abs().max() / theirs.abs().max())


@torch.inference_mode()
def compare(name: str) -> None:
    """Print a row of the table for each number of channels."""
    size = sizes(name)
    theirs = random_reve(size)
    ours = converted(theirs, size)
    for n_chans in CHANNELS:
        cells = []
        for seconds in SECONDS:
            signals = torch.randn(1, n_chans, 200 * seconds).clamp(-15, 15)
            places = positions(n_chans)
            features = theirs(signals, places[None], return_features=True)["features"]  # (1, C, H, D)
            out = ours.encode(signals, sfreq=200, positions=places, prepare=False)
            pooled = far(out.pooled, theirs._attention_pooling(features))
            cells.append(f"{far(out.tokens, features):.1e} / {pooled:.1e}")
        print(f"| {name} | {n_chans} | {' | '.join(cells)} |", flush=True)


@torch.inference_mode()
def write_reference(folder: Path) -> None:
    """Two narrow layers in half precision, four seconds of a real EEG, and the output of each layer."""
    theirs = random_reve(NARROW)
    for parameter in theirs.parameters():
        parameter.copy_(parameter.half())  # stored in half the space without loss
    save_like_the_hub(theirs.half(), NARROW, folder)
    theirs.float()
    recording = biosig.read(samples.path("eegmmidb") / "S001R04.edf").crop(0, 8)
    (stream,) = recording.of_kind("eeg")
    physical = torch.from_numpy(resample(stream.physical()[:3], stream.sfreq, 200.0)[:, :1600].copy())
    signals = ((physical - physical.mean(1, keepdim=True)) / physical.std(1, keepdim=True)).unflatten(1, (2, 800))
    signals = signals.transpose(0, 1).contiguous()  # (2, 3, 800)
    places = positions(3)
    layers = theirs(signals, places.expand(2, 3, 3), return_output=True)  # depth + 1 of (2, C · H, D)
    tensors = {"signals": signals, "positions": places, "layers": torch.stack(layers)}
    tensors["pooled"] = theirs._attention_pooling(layers[-1][:, None])
    save_file(tensors, folder / "reference.safetensors")


def main() -> None:
    """Print the table, or write the reference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["reve-small", "reve-base"])
    parser.add_argument("--reference", type=Path)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    if args.reference:
        write_reference(args.reference)
        return
    print("Features / pooled by attention; the largest absolute difference over the largest absolute value.\n")
    print(f"| model | channels | {' | '.join(f'{s} s' for s in SECONDS)} |")
    print("|" + "---|" * (2 + len(SECONDS)))
    for name in args.models:
        compare(name)


if __name__ == "__main__":
    main()
