"""Fused presets beside LUNA-base: 8 windows of 19 EEG channels and 10 s through each, in interleaved rounds.

It needs braindecode 1.8.1 and einops, which this project does not depend on: run it in another environment, with
this repository on the path. LUNA is built anew, with random weights.

    OMP_NUM_THREADS=1 python benchmarks/luna_speed.py
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import mne
import torch
from braindecode.models import LUNA
from fused_speed import best, six_million

import biosig
from biosig import samples
from biosig.batches.packed import pack

TEN_TWENTY = "Fp1 Fp2 F7 F3 Fz F4 F8 T7 C3 Cz C4 T8 P7 P3 Pz P4 P8 O1 O2".split()  # noqa: SIM905  # reads as a row


def main() -> None:
    """Print milliseconds of the processor, and how they compare."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    info = mne.create_info(TEN_TWENTY, 256.0, "eeg")
    info.set_montage("standard_1020")
    luna = LUNA(n_outputs=2, n_chans=19, n_times=2560, sfreq=256.0, chs_info=info["chs"]).eval()
    windows = torch.randn(8, 19, 2560)
    eeg = biosig.read(sorted(samples.path("eegmmidb").glob("*R04.edf"))[0])
    nineteen = replace(eeg, streams=[eeg.streams[0].pick(list(range(19)))]).crop(0, 10)
    jobs: dict[str, Callable[[], object]] = {"LUNA-base": torch.inference_mode()(lambda: luna(windows))}
    presets = [biosig.build_model(f"biosig-fused-{size}") for size in ("tiny", "small", "base")]
    for model in [*presets, six_million()]:
        batch = pack([model.prepare(nineteen)] * 8, model.contract)
        jobs[model.name] = partial(model.encode_batch, batch, dtype=torch.float32)
    seconds = best(jobs, 5)
    for name, took in seconds.items():
        print(f"{name}: {1000 * took:.0f} ms, {took / seconds['LUNA-base']:.2f} times LUNA-base")


if __name__ == "__main__":
    main()
