"""Packed attention against padding to the longest: tokens per second of a whole forward pass, mixed modalities.

The batch mixes 12-lead ECG, 19- and 64-channel EEG and single PPG, ten seconds each, cut from real recordings. Both
sides run the same weights on the same prepared windows; padding gets the usual form, (B, L) tokens with a key mask.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

import biosig
from biosig import samples
from biosig.batches.packed import PackedBatch, pack
from biosig.layers.attention import Attention
from biosig.models.encoder import Encoder
from biosig.recording import Recording


def attend_padded(attention: Attention, x: Tensor, valid: Tensor) -> Tensor:
    """The same attention on (B, L, D) with a mask over padding."""
    q, k, v = attention.qkv(x).unflatten(-1, (3, attention.num_heads, -1)).permute(2, 0, 3, 1, 4)  # (B, H, L, K)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=valid[:, None, None])
    return attention.out(out.transpose(1, 2).flatten(2))


def forward_padded(encoder: Encoder, batch: PackedBatch) -> Tensor:
    """The encoder's forward pass with every window padded to the longest; returns the packed rows, for comparison."""
    tokens, _ = encoder.embed(batch)  # on real tokens only: a favour to padding
    longest = int(batch.seqlens.max())
    within = torch.arange(batch.n_tokens) - (batch.seqlens.cumsum(0) - batch.seqlens)[batch.window]
    x = tokens.new_zeros(batch.n_windows, longest, tokens.shape[1])
    x[batch.window, within] = tokens
    valid = torch.zeros(x.shape[:2], dtype=torch.bool)
    valid[batch.window, within] = batch.valid
    for block in encoder.blocks:
        x = x + attend_padded(block.attention, block.attention_norm(x), valid)
        x = x + block.mlp(block.mlp_norm(x))
    return encoder.norm(x)[batch.window, within]


def recordings(data: Path) -> list[Recording]:
    """Ten seconds of each: 12-lead ECG, 19- and 64-channel EEG, single PPG."""
    ecg = biosig.read(sorted(samples.path("ptbxl").rglob("*_hr.hea"))[0])
    few = biosig.read(samples.path("eegmmidb") / "S001R04.edf")
    many = biosig.read(data / "eegmmidb" / "S001R04.edf")
    bedside = biosig.read(samples.path("bidmc") / "bidmc_01_Signals.csv.gz")
    ppg = biosig.Recording("ppg", list(bedside.of_kind("ppg")))
    return [ecg, few.crop(0, 10), many.crop(0, 10), ppg.crop(0, 10)]


def rounds(sides: dict[str, Callable[[], object]], n: int) -> dict[str, float]:
    """Median seconds of each side over interleaved rounds, after one warm-up round."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for r in range(n + 1):
        for name, run in sides.items():
            began = time.perf_counter()
            run()
            if r:
                times[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with eegmmidb/ (64-channel EDF files)")
    parser.add_argument("--models", nargs="+", default=["biosig-tiny", "biosig-small", "biosig-base"])
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    source = recordings(args.data)
    print(
        "| model | tokens per window | packed (tokens/s) | padded (tokens/s) | packed / padded | largest difference |"
    )
    print("|---|---|---|---|---|---|")
    for name in args.models:
        model = biosig.build_model(name)
        batch = pack([model.prepare(recording) for recording in source], model.contract)
        with torch.inference_mode():
            one, other = model.encoder(batch), forward_padded(model.encoder, batch)
            difference = float((one - other).abs().max() / one.abs().max())
            seconds = rounds(
                {
                    "packed": lambda m=model, b=batch: m.encoder(b),
                    "padded": lambda m=model, b=batch: forward_padded(m.encoder, b),
                },
                args.rounds,
            )
        n = int(batch.valid.sum())
        lengths = ", ".join(str(length) for length in batch.seqlens.tolist())
        print(
            f"| {name} | {lengths} | {n / seconds['packed']:,.0f} | {n / seconds['padded']:,.0f} | "
            f"{seconds['padded'] / seconds['packed']:.2f} | {difference:.0e} |"
        )


if __name__ == "__main__":
    main()
