"""CSFM here and with materialised attention, the same weights on the same machine: embedding, memory of training.

The other side is the network as its description writes it: windows (B, L, D), plain linear layers, and the scores of
each head (B, H, L, L) written out, divided, softmaxed and multiplied; once without a mask, which windows of one length
do not need, and once with the mask over padding of the batched form. Times are medians of interleaved rounds, by the
clock and of the processor: the second is the fairer one where the machine has other work. The bare matrix products of
the model, in the same rounds, bound what any attention can reach. Memory is read as Linux counts it.

    python benchmarks/csfm_speed.py --rounds 7             # about 10 minutes on two cores, 15 GB of memory
"""

from __future__ import annotations

import argparse
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

import biosig
from biosig import samples
from biosig.batches.packed import PackedBatch, pack
from biosig.layers.attention import Attention
from biosig.models.encoder import Encoder, EncoderConfig
from biosig.models.model import Model
from biosig.models.presets import preset

DTYPES = ("float32", "bfloat16")


class Materialised(nn.Module):
    """The network with every score in memory, for windows of one length; the weights are the encoder's own.

    Parameters
    ----------
    encoder : Encoder
        Of CSFM.
    masked : bool
        Whether a mask over padding is applied, as a batch of several lengths needs.
    """

    def __init__(self, encoder: Encoder, masked: bool = False) -> None:
        super().__init__()
        self.encoder, self.masked = encoder, masked

    def forward(self, batch: PackedBatch) -> Tensor:
        """Tokens and, in front, the CLS (B, 1 + N / B, D)."""
        encoder = self.encoder
        tokens = encoder.embed(batch)[0].unflatten(0, (batch.n_windows, -1))
        x = torch.cat((encoder.cls.expand(len(tokens), 1, -1), tokens), dim=1)
        for block in encoder.blocks:
            x = x + self._attend(block.attention, block.attention_norm(x))
            x = x + block.mlp(block.mlp_norm(x))
        return encoder.norm(x)

    def _attend(self, attention: Attention, x: Tensor) -> Tensor:
        q, k, v = attention.qkv(x).unflatten(-1, (3, attention.num_heads, -1)).permute(2, 0, 3, 1, 4)  # (B, H, L, K)
        scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5  # (B, H, L, L)
        if self.masked:
            padding = torch.zeros(len(x), 1, 1, x.shape[1], dtype=torch.bool)
            scores = scores.masked_fill(padding, -torch.inf)
        return attention.out((scores.softmax(dim=-1) @ v).transpose(1, 2).flatten(2))


def make(config: EncoderConfig, n_windows: int) -> tuple[Model, PackedBatch]:
    """The model with random weights and no dropout, and real 12-lead ECGs of 10 s."""
    torch.manual_seed(0)
    config = replace(config, block=replace(config.block, dropout=0.0))
    model = Model(Encoder(config), trained=True)  # said to be trained: nothing is claimed of the numbers
    records = [biosig.read(path) for path in sorted(samples.path("ptbxl").rglob("*_hr.hea"))]
    windows = [model.prepare(records[i % len(records)]) for i in range(n_windows)]
    return model, pack(windows, model.contract)


def products(config: EncoderConfig, n_tokens: int, dtype: torch.dtype) -> Callable[[], None]:
    """The four matrix products of one block, bare."""
    dim, inner, hidden = config.embed_dim, config.num_heads * config.head_dim, int(config.embed_dim * config.mlp_ratio)
    shapes = [(dim, 3 * inner), (inner, dim), (dim, hidden), (hidden, dim)]
    pairs = [(torch.randn(n_tokens, n, dtype=dtype), torch.randn(m, n, dtype=dtype)) for n, m in shapes]

    def run() -> None:
        for x, weight in pairs:
            nn.functional.linear(x, weight)

    return run


def interleaved(sides: dict[str, Callable[[], object]], n: int) -> dict[str, tuple[float, float]]:
    """Median seconds of each side, by the clock and of the processor, after one round that does not count."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for number in range(n + 1):
        for name, run in sides.items():
            began, busy = time.perf_counter(), time.process_time()
            run()
            if number:
                times[name].append((time.perf_counter() - began, time.process_time() - busy))
    return {name: tuple(map(statistics.median, zip(*of, strict=True))) for name, of in times.items()}


@torch.inference_mode()
def embedding(model: Model, batch: PackedBatch, n_rounds: int) -> None:
    """A packed batch in, tokens out."""
    plain, masked = Materialised(model.encoder), Materialised(model.encoder, masked=True)
    sides: dict[str, Callable[[], Tensor]] = {
        "materialised": lambda: plain(batch)[:, 1:].flatten(0, 1),
        "materialised, with mask": lambda: masked(batch)[:, 1:].flatten(0, 1),
        "biosig float32": lambda: model.encode_batch(batch),
    }
    # A second model, since one keeps its copy for one precision.
    half = Model(model.encoder, trained=True)
    sides["biosig bfloat16"] = lambda: half.encode_batch(batch, dtype=torch.bfloat16)
    exact = sides["materialised"]()
    errors = {name: float((run() - exact).norm() / exact.norm()) for name, run in sides.items()}
    bare = {d: products(model.config, batch.n_tokens + batch.n_windows, getattr(torch, d)) for d in DTYPES}
    seconds = interleaved({**sides, **bare}, n_rounds)
    print("\n| side | seconds | materialised / it | processor seconds | materialised / it | error (L2) |")
    print("|---|---|---|---|---|---|")
    depth = model.config.depth
    rows = {name: seconds[name] for name in sides}
    rows |= {f"its matrix products alone, {d}": (depth * seconds[d][0], depth * seconds[d][1]) for d in DTYPES}
    clock, processor = rows["materialised"]
    for name, (wall, busy) in rows.items():
        error = f"{errors[name]:.1e}" if name in errors else ""
        print(f"| {name} | {wall:.2f} | {clock / wall:.2f} | {busy:.2f} | {processor / busy:.2f} | {error} |")


def training_step(side: str, config: EncoderConfig, n_windows: int) -> None:
    """One step of AdamW on the CLS; prints the loss, and MB of memory before and at the step's peak."""
    model, batch = make(config, n_windows)
    encoder = model.encoder.train()
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=1e-6)
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = megabytes("VmRSS")
    cls = encoder.encode(batch)[1] if side == "biosig" else Materialised(encoder)(batch)[:, 0]
    loss = (cls * torch.linspace(-1, 1, cls.shape[1])).mean()
    loss.backward()
    optimizer.step()
    print(float(loss), before, megabytes("VmHWM"))


def megabytes(entry: str) -> float:
    """An entry of this process's memory, resident now (VmRSS) or at its peak (VmHWM)."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[entry].split()[0]) / 1024


def memory(name: str, depth: int, n_windows: int) -> None:
    """Peak memory of a training step, each side in a process of its own."""
    found = {}
    for side in ("biosig", "materialised"):
        command = [sys.executable, __file__, "--model", name, "--depth", str(depth), "--windows", str(n_windows)]
        out = subprocess.run([*command, "--step", side], check=True, capture_output=True, text=True).stdout
        found[side] = [float(word) for word in out.split()]
    loss, other_loss = found["biosig"][0], found["materialised"][0]
    assert abs(loss - other_loss) < 1e-4 * max(abs(loss), 1e-3), found
    print(
        f"\nTraining step, float32, gradients and AdamW included; the losses agree: {loss:.8f} and {other_loss:.8f}\n"
    )
    print("| side | before (MB) | at its peak (MB) | taken by the step (MB) |")
    print("|---|---|---|---|")
    for side, (_, before, peak) in found.items():
        print(f"| {side} | {before:.0f} | {peak:.0f} | {peak - before:.0f} |")
    (_, before, peak), (_, other_before, other_peak) = found["biosig"], found["materialised"]
    share = (peak - before) / (other_peak - other_before)
    print(f"\nbiosig / materialised: {peak / other_peak:.2f} at the peak, {share:.2f} of what the step takes.")


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="csfm-base")
    parser.add_argument("--depth", type=int, help="fewer blocks, for a quick look")
    parser.add_argument("--windows", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tables", nargs="+", default=["embedding", "memory"])
    parser.add_argument("--step", choices=["biosig", "materialised"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    config = preset(args.model)
    config = replace(config, depth=args.depth or config.depth)
    if args.step:
        training_step(args.step, config, args.windows)
        return
    threads = torch.get_num_threads()
    print(f"{args.model}, {config.depth} blocks, {args.windows} × 12 leads × 10 s, {args.rounds} rounds,", end=" ")
    print(f"{threads} threads, torch {torch.__version__}, {platform.machine()}")
    if "embedding" in args.tables:
        embedding(*make(config, args.windows), args.rounds)
    if "memory" in args.tables:
        memory(args.model, config.depth, args.windows)


if __name__ == "__main__":
    main()
