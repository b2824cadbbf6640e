"""Test–retest of a model's vectors and heads, what they tell of identity, and seconds per vector: for a model card.

    OMP_NUM_THREADS=1 python benchmarks/retest.py MODEL shards/bidmc shards/eegmmidb --out retest.json

MODEL is a folder, weights that ship, or a preset's name (random weights). Beside the JSON, `retest.csv` and
`timing.csv` are for `tools/ship_weights.py`, which makes sections of a card of them. Of each folder of shards and each
modality in it that the model reads: two halves of a recording, and two recordings of a person where enough people have
two (`biosig.audit.retest`), beside the same model of random weights. Seconds are of `biosig.embed` on one thread for a
recording that is in memory: the shortest time of the processor, and the median by the clock, of several rounds after
one to warm up.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from mne.channels import make_standard_montage

import biosig
from biosig import samples
from biosig.audit.retest import retest
from biosig.csv_table import write_csv
from biosig.downstream.data.picked_channels import pick_channels, with_channels
from biosig.downstream.data.task import open_recordings
from biosig.downstream.results.environment import environment
from biosig.models.array_input import as_recordings
from biosig.models.load import named_model
from biosig.models.model import Model
from biosig.publishing import whole_file
from biosig.recording import Recording
from biosig.sources import as_windows

SECONDS = {"ecg": 10.0, "ppg": 10.0, "eeg": 4.0}
"""Of a window of each modality."""


def main() -> None:
    """Measure, write the JSON, and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("shards", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="read of each recording; default: all")
    parser.add_argument("--query", help="which recordings to take")
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    model = named_model(args.model)
    found: dict[str, Any] = {"model": model.name, "revision": model.revision, "trained": model.trained}
    found["seconds_per_vector"] = seconds_per_vector(model, args.rounds)
    found["retest"] = {folder.name: of_shards(model, folder, args.query, args.minutes) for folder in args.shards}
    found["environment"] = environment()
    with whole_file(args.out) as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    agreement, timing = tables(found)
    for name, table in (("retest", agreement), ("timing", timing)):
        with whole_file(args.out.with_name(f"{name}.csv")) as temporary:
            write_csv(table, temporary)
    print("\n".join(lines(found)))


def of_shards(model: Model, folder: Path, query: str | None, minutes: float) -> dict[str, Any]:
    """`biosig.audit.retest` of each modality in a folder of shards, the others being left out."""
    ds = open_recordings(str(folder), query)
    kinds = {channel.kind for row in range(len(ds)) for channel in ds[row].channels}
    found = {}
    for modality in [name for name in SECONDS if name in kinds and name in model.contract]:
        windows = as_windows(ds, SECONDS[modality])
        windows = windows[windows.onset + windows.duration <= 60 * minutes]
        found[modality] = retest(model, pick_channels(windows, [modality]))
    return found


def seconds_per_vector(model: Model, rounds: int) -> dict[str, dict[str, Any]]:
    """Seconds that `embed` takes for one window of each modality that the model reads."""
    ecg = biosig.read(sorted(samples.path("ptbxl").rglob("*_lr.hea"))[0])
    bedside = biosig.read(sorted(samples.path("bidmc").rglob("*_Signals.csv.gz"))[0])
    eeg = biosig.read(sorted(samples.path("eegmmidb").glob("*R04.edf"))[0]).crop(0, 4)
    recordings = {"ecg": ecg, "ppg": bedside.crop(0, 10), "eeg": with_64_channels(eeg)}
    return {
        modality: timed(model, with_channels(recording, [modality]), SECONDS[modality], rounds)
        for modality, recording in recordings.items()
        if modality in model.contract
    }


def with_64_channels(eeg: Recording) -> Recording:
    """A recording with its signals in turn at 64 sites of the 10-10 system: the time does not hang on what they are."""
    (stream,) = eeg.streams
    signals = stream.physical()
    known = [name for name in make_standard_montage("standard_1005").ch_names if len(name) <= 3][:64]
    rows = [row % len(signals) for row in range(64)]
    return as_recordings(signals[rows][None], stream.sfreq, known, "eeg", "uV", None, None, None, ["eeg"], check=False)[
        0
    ]


def timed(model: Model, recording: Recording, seconds: float, rounds: int) -> dict[str, Any]:
    """The shortest time of the processor and the median by the clock."""
    clock, processor = [], []
    for round_ in range(rounds + 1):
        begun = time.perf_counter(), time.process_time()
        biosig.embed(model, recording, window=seconds, device="cpu")
        if round_:
            clock.append(time.perf_counter() - begun[0])
            processor.append(time.process_time() - begun[1])
    size = {"n_chans": len(recording.channels), "window": seconds}
    return {**size, "processor": round(min(processor), 5), "clock": round(statistics.median(clock), 5)}


def tables(found: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables for a card: agreement of two halves, or recordings, of a person; and seconds per vector."""
    rows = [
        {
            "shards": shards,
            "signals": modality.upper(),
            "of": between,
            "people": of["n_people"],
            "ICC": shown(of["vector"].get("icc")),
            "recognised": shown(of["vector"].get("rank_1")),
            "recognised by random weights": shown(of.get("random_weights", {}).get("rank_1")),
            "by chance": f"{of['chance']:.2f}",
        }
        for shards, modalities in found["retest"].items()
        for modality, measurements in modalities.items()
        for between, of in measurements.items()
    ]
    times = [
        {
            "window": f"{of['window']:g} s of {modality.upper()}, {of['n_chans']} channel{'s' * (of['n_chans'] > 1)}",
            "ms of one thread": f"{1000 * of['processor']:.1f}",
        }
        for modality, of in found["seconds_per_vector"].items()
    ]
    return pd.DataFrame(rows), pd.DataFrame(times)


def lines(found: dict[str, Any]) -> list[str]:
    """The tables of the JSON, in Markdown."""
    state = "trained" if found["trained"] else "random weights"
    rows = [f"{found['model']} {found['revision']} ({state})", ""]
    rows += ["| window | channels | processor (ms) | clock (ms) |", "|---|---|---|---|"]
    for modality, of in found["seconds_per_vector"].items():
        window = f"{of['window']:g} s of {modality.upper()} | {of['n_chans']}"
        rows.append(f"| {window} | {1000 * of['processor']:.1f} | {1000 * of['clock']:.1f} |")
    rows += ["", "| shards | modality | of | people | ICC | rank 1 | ICC, random | rank 1, random | more | chance |"]
    rows.append("|---" * 10 + "|")
    heads = ["", "| shards | modality | of | head | people | ICC | median difference |", "|---" * 7 + "|"]
    for shards, modalities in found["retest"].items():
        for modality, measurements in modalities.items():
            for between, of in measurements.items():
                where = f"| {shards} | {modality.upper()} | {between} |"
                twin = of.get("random_weights", {})
                cells = [
                    shown(numbers) for one in (of["vector"], twin) for numbers in (one.get("icc"), one.get("rank_1"))
                ]
                more = shown(of.get("more_than_random"))
                rows.append(f"{where} {of['n_people']} | {' | '.join(cells)} | {more} | {of['chance']:.2f} |")
                for name, head in of.get("heads", {}).items():
                    numbers = [str(head["n_people"]), shown(head["icc"]), f"{head['median_difference']:.3g}"]
                    heads.append(f"{where} {name} | {' | '.join(numbers)} |")
    return rows + (heads if len(heads) > 3 else [])


def shown(numbers: dict[str, float | None] | None) -> str:
    """A number with its interval."""
    if numbers is None or numbers["value"] is None:
        return "–"
    interval = "" if numbers["low"] is None else f" ({numbers['low']:.2f} to {numbers['high']:.2f})"
    return f"{numbers['value']:.2f}{interval}"


if __name__ == "__main__":
    main()
