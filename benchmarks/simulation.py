"""Simulated recordings: time each, diagnoses that fulfil their criteria, and the truth beside what features measure.

Noise is as drawn. A criterion is fulfilled from a score of 0.5, which is its published threshold; the errors of
intervals and rates are measured − true.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from biosig import simulate
from biosig.features import extract
from biosig.simulate.diagnoses import DIAGNOSES
from biosig.simulate.ecg_rhythms import RHYTHMS


def milliseconds(simulator: Callable[..., Any], n: int, **options: Any) -> float:
    """CPU time of one recording; the first is not counted."""
    simulator(0, **options)
    start = time.process_time()
    for seed in range(n):
        simulator(seed, **options)
    return 1000 * (time.process_time() - start) / n


def fulfilled(n: int, **options: Any) -> str:
    """Share of n recordings, and the median score."""
    scores = []
    for seed in range(n):
        recording, truth = simulate.ecg(1000 + seed, **options)
        name = next(iter(truth.diagnoses), truth.rhythm)
        scores.append(extract(recording, ["ecg"])[f"ecg.{truth.criteria[name]}"])
    return f"{np.sum(np.array(scores) >= 0.5)} of {n} | {np.nanmedian(scores):.2f}"


def errors(measured: list[float], true: list[float]) -> str:
    """Bias, deviation, and the largest of 95 of 100 errors."""
    error = np.array(measured) - np.array(true)
    return f"{np.nanmean(error):+.1f} | {np.nanstd(error):.1f} | {np.nanpercentile(np.abs(error), 95):.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=20, help="recordings of each diagnosis and rhythm")
    n = parser.parse_args().n
    print("| recording | ms of CPU | a minute |\n|---|---|---|")
    for label, simulator, seconds in (
        ("ECG, 12 leads, 10 s, 500 Hz", simulate.ecg, 10.0),
        ("PPG, 30 s, 125 Hz", simulate.ppg, 30.0),
        ("EEG, 19 channels, 10 s, 250 Hz", simulate.eeg, 10.0),
    ):
        each = milliseconds(simulator, 4 * n, seconds=seconds)
        print(f"| {label} | {each:.1f} | {60_000 / each:.0f} |", flush=True)
    print("\n| measure | bias | deviation | 95 % within |\n|---|---|---|---|")
    pairs = [simulate.ecg(seed, rhythm="sinus", diagnoses=()) for seed in range(2 * n)]
    rows = [extract(recording, ["ecg"]) for recording, _ in pairs]
    for name in ("pr", "qrs", "qt", "rate"):
        found = errors([row[f"ecg.{name}"] for row in rows], [getattr(truth, name) for _, truth in pairs])
        print(f"| ECG, normal: {name} | {found} |", flush=True)
    for label, options in (
        ("PPG, sinus, still: rate", {"rhythm": "sinus", "motion": 0, "faults": False}),
        ("PPG, as drawn: rate", {}),
    ):
        pulses = [simulate.ppg(seed, **options) for seed in range(4 * n)]
        measured = [extract(recording, ["ppg"])["ppg.rate"] for recording, _ in pulses]
        print(f"| {label} | {errors(measured, [truth.rate for _, truth in pulses])} |", flush=True)
    print("\n| diagnosis or rhythm | criterion | fulfilled | median score |\n|---|---|---|---|")
    for name in DIAGNOSES:
        found = fulfilled(n, diagnoses=[name], rhythm="sinus")
        print(f"| {name} | {DIAGNOSES[name].criterion} | {found} |", flush=True)
    for name in RHYTHMS:
        print(f"| {name} | {RHYTHMS[name].criterion} | {fulfilled(n, diagnoses=(), rhythm=name)} |", flush=True)


if __name__ == "__main__":
    main()
