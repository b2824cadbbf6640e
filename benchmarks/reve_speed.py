"""REVE here and in braindecode, with the same weights on the same machine: embedding, mixed batches, a training step.

Each table comes from interleaved rounds; times are medians. The rate of the machine is that of bare matrix products of
the shapes that the model has, measured in the same rounds, and the share says how much of it a side reaches. Needs the
environment that `reve_parity.py` describes.

    python benchmarks/reve_speed.py --rounds 7             # about 10 minutes on two cores
"""

from __future__ import annotations

import argparse
import platform
import warnings
from collections.abc import Callable
from copy import deepcopy
from itertools import product

import numpy as np
import torch
from braindecode.models import REVE
from braindecode_autoencoder import Autoencoder
from packing import forward_padded, rounds
from reve_parity import converted, positions, random_reve, sizes
from torch import Tensor, nn

from biosig.batches.packed import PackedBatch, pack
from biosig.device import autocast
from biosig.models.array_input import as_recordings, as_they_are
from biosig.models.encoder import EncoderConfig
from biosig.models.model import Model
from biosig.pretrain.masking.reve import ReveMasking
from biosig.pretrain.objectives.configs.decoder import DecoderConfig
from biosig.pretrain.objectives.configs.reve import ReveConfig
from biosig.pretrain.objectives.objective import Objective

CPU = torch.device("cpu")
WINDOWS, CHANNELS, SECONDS = 8, 19, 10
MIXED = list(product((19, 32, 64), (4, 10, 30)))
DECODER = DecoderConfig(embed_dim=512, depth=4, num_heads=8)
DTYPES = ("float32", "bfloat16")


def products(config: EncoderConfig, n_tokens: int, dtype: torch.dtype) -> Callable[[], None]:
    """The four matrix products of one block, bare."""
    dim, inner = config.embed_dim, config.num_heads * config.head_dim
    hidden = int(dim * config.mlp_ratio)
    shapes = [(dim, 3 * inner), (inner, dim), (dim, 2 * hidden), (hidden, dim)]
    pairs = [(torch.randn(n_tokens, n, dtype=dtype), torch.randn(m, n, dtype=dtype)) for n, m in shapes]

    def run() -> None:
        for x, weight in pairs:
            nn.functional.linear(x, weight)

    return run


def block_flop(config: EncoderConfig, n_tokens: int) -> float:
    """Floating-point operations of these products."""
    dim, inner = config.embed_dim, config.num_heads * config.head_dim
    return 2 * n_tokens * dim * (4 * inner + 3 * int(dim * config.mlp_ratio))


def packed(ours: Model, *arrays: Tensor) -> PackedBatch:
    """Arrays (B, C, T), each of any shape, as one batch."""
    windows = []
    for signals in arrays:
        places = positions(signals.shape[1])
        made = as_recordings(signals, 200, None, None, None, places, None, None, ours.contract, check=False)
        windows += [as_they_are(recording, ours.contract) for recording in made]
    return pack(windows, ours.contract)


def embedding(ours: Model, theirs: REVE, n_rounds: int) -> None:
    """Arrays in, tokens out, in float32 and in bfloat16: our `dtype`, autocast for braindecode, which has no other."""
    signals = torch.randn(WINDOWS, CHANNELS, 200 * SECONDS)
    places = positions(CHANNELS)

    def biosig(dtype: str) -> Tensor:
        return ours.encode_batch(packed(ours, signals), dtype=getattr(torch, dtype))  # (B · C · H, D)

    @torch.inference_mode()
    def braindecode(dtype: str) -> Tensor:
        with autocast(CPU, dtype):
            return theirs(signals, places.expand(WINDOWS, -1, -1), return_features=True)["features"].flatten(0, 2)

    exact = braindecode("float32")
    n_tokens = len(exact)
    runs: dict[str, Callable[[], Tensor]] = {}
    for dtype in DTYPES:
        runs[f"biosig {dtype}"] = lambda d=dtype: biosig(d)
        runs[f"braindecode {dtype}"] = lambda d=dtype: braindecode(d)
    bare = {f"products {d}": products(ours.config, n_tokens, getattr(torch, d)) for d in DTYPES}
    seconds = rounds({**runs, **bare}, n_rounds)
    per_block = block_flop(ours.config, n_tokens)
    tokens = n_tokens // WINDOWS
    attention = 4 * WINDOWS * tokens**2 * ours.config.num_heads * ours.config.head_dim
    flop = ours.config.depth * (per_block + attention)
    print(f"\nEmbedding {WINDOWS} × {CHANNELS} channels × {SECONDS} s, {flop / 1e9:.0f} GFLOP\n")
    print("| side | seconds | against braindecode float32 | GFLOP/s | share of the products' rate | error (L2) |")
    print("|---|---|---|---|---|---|")
    for name, run in runs.items():
        dtype = name.split()[1]
        rate = flop / seconds[name]
        share = rate / (per_block / seconds[f"products {dtype}"])
        error = float((run() - exact).norm() / exact.norm())
        faster = seconds["braindecode float32"] / seconds[name]
        print(f"| {name} | {seconds[name]:.3f} | {faster:.2f} | {rate / 1e9:.0f} | {share:.0%} | {error:.1e} |")
    for dtype in DTYPES:
        print(f"| bare products {dtype} | | | {per_block / seconds[f'products {dtype}'] / 1e9:.0f} | | |")


@torch.inference_mode()
def mixed(ours: Model, n_rounds: int) -> None:
    """Windows of several sizes in one batch: packed, against the same encoder with padding to the longest."""
    batch = packed(ours, *(torch.randn(1, n_chans, 200 * seconds) for n_chans, seconds in MIXED))
    one, other = ours.encoder(batch), forward_padded(ours.encoder, batch)
    runs = {"packed": lambda: ours.encoder(batch), "padded": lambda: forward_padded(ours.encoder, batch)}
    seconds = rounds(runs, n_rounds)
    print(f"\nA batch of {', '.join(f'{c} × {s} s' for c, s in MIXED)}: {batch.n_tokens} tokens\n")
    print("| packed (s) | padded (s) | padded / packed | largest difference |")
    print("|---|---|---|---|")
    difference = float((one - other).abs().max() / one.abs().max())
    ratio = seconds["padded"] / seconds["packed"]
    print(f"| {seconds['packed']:.2f} | {seconds['padded']:.2f} | {ratio:.2f} | {difference:.0e} |")


def training(ours: Model, theirs: REVE, n_rounds: int) -> None:
    """Loss, gradients and AdamW of the masked autoencoder, the same masks hidden on both sides."""
    signals = torch.randn(WINDOWS, CHANNELS, 200 * SECONDS)
    batch = packed(ours, signals)
    mask = ReveMasking(rounding="down")(batch, np.random.default_rng(0))
    objective = Objective(deepcopy(ours.encoder), [ReveConfig(decoder=DECODER)]).train()
    autoencoder = Autoencoder(deepcopy(theirs), objective.terms[0]).train()
    places = positions(CHANNELS).expand(WINDOWS, -1, -1)
    hidden = mask.view(WINDOWS, -1)
    sides: dict[str, tuple[nn.Module, Callable[[], Tensor]]] = {
        "biosig": (objective, lambda: objective(objective.views(batch, mask))["loss"]),
        "braindecode": (autoencoder, lambda: autoencoder(signals, places, hidden)),
    }
    with torch.no_grad():
        losses = {name: float(loss()) for name, (_, loss) in sides.items()}
    assert abs(losses["biosig"] / losses["braindecode"] - 1) < 1e-5, losses
    runs: dict[str, Callable[[], None]] = {}
    for name, (module, loss) in sides.items():
        optimizer = torch.optim.AdamW(module.parameters(), lr=1e-6, fused=True)
        for dtype in DTYPES:
            runs[f"{name} {dtype}"] = lambda o=optimizer, f=loss, d=dtype: step(o, f, d)
    seconds = rounds(runs, n_rounds)
    print(f"\nTraining step on {WINDOWS} × {CHANNELS} × {SECONDS} s, {int(mask.sum())} of {batch.n_tokens} hidden")
    print(f"\nThe losses agree: {losses['biosig']:.6f} and {losses['braindecode']:.6f}\n")
    print("| precision | biosig (s) | braindecode (s) | braindecode / biosig |")
    print("|---|---|---|---|")
    for dtype in DTYPES:
        a, b = seconds[f"biosig {dtype}"], seconds[f"braindecode {dtype}"]
        print(f"| {dtype} | {a:.2f} | {b:.2f} | {b / a:.2f} |")


def step(optimizer: torch.optim.Optimizer, loss: Callable[[], Tensor], dtype: str) -> None:
    """One training step."""
    optimizer.zero_grad()
    with autocast(CPU, dtype):
        value = loss()
    value.backward()
    optimizer.step()


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="reve-base")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tables", nargs="+", default=["embedding", "mixed", "training"])
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    size = sizes(args.model)
    theirs = random_reve(size)
    ours = converted(theirs, size)
    threads = torch.get_num_threads()
    print(f"{args.model}, {args.rounds} rounds, {threads} threads, torch {torch.__version__}, {platform.machine()}")
    tables: dict[str, Callable[[], None]] = {
        "embedding": lambda: embedding(ours, theirs, args.rounds),
        "mixed": lambda: mixed(ours, args.rounds),
        "training": lambda: training(ours, theirs, args.rounds),
    }
    for name in args.tables:
        tables[name]()


if __name__ == "__main__":
    main()
