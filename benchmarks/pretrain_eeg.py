"""Masked loss on held-out subjects after a short pretraining on EEG, beside what needs no training.

Ingests EEGMMIDB (64 electrodes) and EEGMAT (19 and a bipolar pair), pretrains for some minutes on a CPU, and rebuilds
the hidden patches of held-out subjects in four ways, with the same masks:

- the model;
- the mean of each channel over the window, which is 0 in the model's units;
- straight lines in time between the visible samples of a channel; the mean where none is visible;
- MNE's spherical splines between the electrodes that are visible at the instant; the mean where none is.

Errors are mean absolute differences in the model's normalised units over the hidden samples; per frequency band, those
of the error after a filter (FFT over the window). The set smni is left out: its trials last one second.

    python benchmarks/pretrain_eeg.py --data DIR --minutes 20      # DIR holds eegmmidb/ and eegmat/
"""

from __future__ import annotations

import argparse
import itertools
import logging
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import mne
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from rich.console import Console

from biosig import config as configuration
from biosig.batches.contract import InputContract, PreparedStream, prepare
from biosig.batches.packed import pack
from biosig.batches.windows import Windows
from biosig.evaluate.intervals import bootstrap, bootstrap_counts
from biosig.evaluate.metrics import METRICS
from biosig.pretrain.config import PretrainConfig, SourceConfig
from biosig.pretrain.loop import pretrain
from biosig.pretrain.objectives.objective import Objective
from biosig.pretrain.state import load_objective
from biosig.pretrain.windows import load_windows
from biosig.progress import show_progress
from ingest.cli.ingest import ingest

CONFIGS = Path(__file__).parents[1] / "configs"
SUBJECTS = {"eegmmidb": r"(?P<subject>S\d{3})R\d{2}", "eegmat": r"(?P<subject>Subject\d{2})_\d"}
BANDS = {"all": None, "delta": (0.5, 4), "theta": (4, 8), "alpha": (8, 13), "beta": (13, 30), "gamma": (30, 45)}  # Hz
WARM_UP = 12  # steps that are timed, after two that are not

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


def ingest_eeg(data: Path, shards: Path) -> list[SourceConfig]:
    """The sets as shards at 200 Hz in 0.5-99.5 Hz, EEG alone, each once."""
    for name, pattern in SUBJECTS.items():
        if not (shards / name / "index.parquet").exists():
            recipe = {"recipe": CONFIGS / "ingest" / "eeg.yaml", "set_": ("kinds=[eeg]",)}
            ingest((data / name,), out=shards / name, workers=1, subject_pattern=pattern, **recipe)
    return [SourceConfig(shards / name) for name in SUBJECTS]


def steps_in(minutes: float, config: PretrainConfig) -> int:
    """Steps that fit in `minutes`, from a few timed ones."""
    ended: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        trial = replace(config, out=Path(folder), steps=WARM_UP + 2, validate_every=1000)
        pretrain(trial, lambda *_: ended.append(time.perf_counter()))
    # The last one is followed by a validation.
    return max(round(60 * minutes / float(np.median(np.diff(ended[1:])))), 1)


@dataclass
class Hidden:
    """One window with parts hidden. Shapes: C channels, T samples."""

    prepared: PreparedStream
    truth: Floats  # (C, T) normalised, 0 where not valid
    hidden: Mask  # (C, T) hidden from every method, and real
    visible: Mask  # (C, T)
    model: Floats  # (C, T) the model's reconstruction


def hide(objective: Objective, config: PretrainConfig, prepared: PreparedStream, seed: list[int]) -> Hidden:
    """Mask a window as in training, and let the model rebuild it."""
    contract = objective.encoder.config.contract
    batch = pack([[prepared]], contract)
    mask = config.masking(batch, np.random.default_rng(seed))  # (N,)
    rebuilt = objective.reconstruct(batch, mask)[prepared.modality]  # (N, P)
    hidden, visible = np.zeros(prepared.values.shape, bool), np.zeros(prepared.values.shape, bool)
    model = prepared.values.copy()
    wanted = contract[prepared.modality]
    columns = (batch.channel_index, batch.patch_index, batch.valid, mask)
    for token, (channel, patch, valid, is_hidden) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
        samples = _samples(patch, wanted)
        if is_hidden:
            hidden[channel, samples] = True
            model[channel, samples] = rebuilt[token].numpy()
        elif valid:
            visible[channel, samples] = True
    return Hidden(prepared, prepared.values, hidden & ~visible, visible, model)


def _samples(patch: int, contract: InputContract) -> slice:
    return slice(patch * contract.stride, patch * contract.stride + contract.patch_size)


def in_time(window: Hidden) -> Floats:
    """Straight lines between the visible samples of each channel."""
    out = np.zeros_like(window.truth)
    times = np.arange(out.shape[1])
    for row, visible in enumerate(window.visible):
        if visible.any():
            out[row] = np.interp(times, times[visible], window.truth[row, visible])
    return out


class Splines:
    """MNE's spherical splines between visible electrodes, in physical units; counts where it has nothing to go by."""

    def __init__(self) -> None:
        self.matrices: dict[bytes, Floats] = {}
        self.n_hidden = self.n_without = 0

    def __call__(self, window: Hidden) -> Floats:
        """Each instant from the visible electrodes alone; bipolar channels take no part."""
        p = window.prepared
        placed = np.isfinite(p.position).all(axis=1) & ~np.isfinite(p.reference).all(axis=1)
        scale, out = np.broadcast_to(np.reshape(p.scale, (-1, 1)), (len(placed), 1)), np.zeros_like(window.truth)
        physical = window.truth * scale
        changes = (window.visible[:, 1:] != window.visible[:, :-1]).any(axis=0)
        starts = [0, *(np.flatnonzero(changes) + 1).tolist(), out.shape[1]]
        for start, stop in itertools.pairwise(starts):
            part, seen = slice(start, stop), placed & window.visible[:, start]
            if seen.any():
                out[placed, part] = self._matrix(p.position[placed], seen[placed]) @ physical[seen, part]
            self.n_without += int(window.hidden[:, part][~placed if seen.any() else slice(None)].sum())
        self.n_hidden += int(window.hidden.sum())
        return out / scale

    def _matrix(self, position: Floats, seen: Mask) -> Floats:
        """From the visible electrodes to all, shape (C, visible); read off from MNE's interpolation of unit pulses."""
        key = position.tobytes() + seen.tobytes()
        if key not in self.matrices:
            names = [str(number) for number in range(len(seen))]
            info = mne.create_info(names, 200.0, "eeg")
            info.set_montage(mne.channels.make_dig_montage(dict(zip(names, position, strict=True)), coord_frame="head"))
            pulses = np.zeros((len(seen), int(seen.sum())))
            pulses[seen] = np.eye(int(seen.sum()))
            raw = mne.io.RawArray(pulses, info, verbose=False)
            raw.info["bads"] = [name for name, is_seen in zip(names, seen, strict=True) if not is_seen]
            self.matrices[key] = raw.interpolate_bads(verbose=False).get_data().astype(np.float32)
        return self.matrices[key]


def in_band(error: Floats, band: tuple[float, float] | None, sfreq: float) -> Floats:
    """Errors (C, T) of one window limited to a band in Hz."""
    if band is None:
        return error
    spectrum, frequency = np.fft.rfft(error), np.fft.rfftfreq(error.shape[1], 1 / sfreq)
    spectrum[:, (frequency < band[0]) | (frequency >= band[1])] = 0
    return np.fft.irfft(spectrum, error.shape[1])


def measure(run: Path, windows: Windows) -> tuple[pd.DataFrame, Splines]:
    """Mean absolute error of each method, band and window, with the window's subject and number of channels."""
    config, objective = load_objective(run)
    contract = objective.encoder.config.contract
    splines, rows = Splines(), []
    for number, subject in enumerate(windows.subjects):
        for prepared in prepare(windows.read_signals(number), contract, float(windows.onset[number])):
            if not prepared.valid.any():
                continue
            window = hide(objective, config, prepared, [config.seed, 1, number])
            rebuilt = {
                "model": window.model,
                "channel mean": np.zeros_like(window.truth),
                "linear in time": in_time(window),
                "spherical spline": splines(window),
            }
            cap = f"{len(window.truth)} channels"
            for method, values in rebuilt.items():
                error = np.where(window.hidden, values - window.truth, 0)
                for band, limits in BANDS.items():
                    left = np.abs(in_band(error, limits, contract[prepared.modality].sfreq))[window.hidden]
                    rows.append((str(subject), cap, method, band, float(left.mean())))
    return pd.DataFrame(rows, columns=["subject", "cap", "method", "band", "error"]), splines


def with_interval(errors: pd.DataFrame) -> str:
    """Mean over windows, and its 95 % interval over subjects."""
    found = bootstrap(METRICS["mae"], np.zeros(len(errors)), errors["error"].to_numpy(), errors["subject"])
    return f"{found.value:.3f} ({found.low:.3f}–{found.high:.3f})"


def less_than(errors: pd.DataFrame, other: str) -> str:
    """By how much the model's error is below that of another method in the same windows, with its interval."""
    by_method = {method: part.reset_index(drop=True) for method, part in errors.groupby("method")}
    gain = by_method[other]["error"] - by_method["model"]["error"]
    by_subject = gain.groupby(by_method["model"]["subject"]).agg(["sum", "size"]).to_numpy()  # (S, 2)
    total, count = (bootstrap_counts(len(by_subject), 1000, 0) @ by_subject).T
    low, high = np.percentile(total / count, [2.5, 97.5])
    return f"{gain.mean():.3f} ({low:.3f}–{high:.3f})"


def print_table(first: str, rows: dict[str, pd.DataFrame]) -> None:
    """One line for each part of the errors, one column for each method."""
    methods = list(dict.fromkeys(next(iter(rows.values()))["method"]))
    print("\n| " + " | ".join([first, *methods, "spline less model"]) + " |")
    print("|---" * (len(methods) + 2) + "|")
    for name, part in rows.items():
        cells = [with_interval(part[part["method"] == method]) for method in methods]
        print("| " + " | ".join([name, *cells, less_than(part, "spherical spline")]) + " |")


def report(table: pd.DataFrame, splines: Splines) -> None:
    """Print the tables."""
    whole = table[table["band"] == "all"]
    print_table("hidden samples of", {"all": whole, **{str(cap): part for cap, part in whole.groupby("cap")}})
    names = {band: f"{band} {limits[0]:g}–{limits[1]:g} Hz" for band, limits in BANDS.items() if limits}
    print_table("band", {name: table[table["band"] == band] for band, name in names.items()})
    print(f"\n{table['subject'].nunique()} held-out subjects; intervals over so few are too narrow to trust.")
    print(f"The spline had nothing to go by for {splines.n_without / splines.n_hidden:.1%} of the hidden samples.")


def main() -> None:
    """Pretrain, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with eegmmidb/ and eegmat/")
    parser.add_argument("--out", type=Path, default=Path("runs/pretrain-eeg"))
    parser.add_argument("--config", type=Path, default=CONFIGS / "pretrain" / "biosig-small-eeg.yaml")
    parser.add_argument("--minutes", type=float, default=20.0, help="of pretraining; 0 = the configuration's steps")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("overrides", nargs="*", help="key=value pairs for the configuration")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    torch.set_num_threads(args.threads)
    sources = ingest_eeg(args.data, args.out / "shards")
    config = configuration.load(PretrainConfig, args.config, args.overrides)
    config = replace(config, out=args.out / "run", sources=sources)
    if (config.out / "config.yaml").exists():  # a run that was stopped goes on, and a finished one is measured again
        config = configuration.load(PretrainConfig, config.out / "config.yaml")
    elif args.minutes:
        config = replace(config, steps=steps_in(args.minutes, config))
    with show_progress(Console(stderr=True)) as progress:
        began = time.perf_counter()
        pretrain(config, progress)
        minutes = (time.perf_counter() - began) / 60
    _, held_out = load_windows(config)
    table, splines = measure(config.out, held_out)
    print(f"{config.model}, windows of {config.window:g} s, {len(held_out)} of them held out; {config.steps} steps of")
    print(f"{config.batch_tokens} tokens in {minutes:.1f} min on {args.threads} threads ({config.precision}).")
    report(table, splines)


if __name__ == "__main__":
    main()
