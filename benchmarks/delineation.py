"""QRS, PR and QT of `biosig.features` and of NeuroKit2 beside cardiologists' marks, and beats beside annotated ones.

Three tables. The first needs records of the Lobachevsky database (LUDB) with marks of leads II and V2 (`.ii`, `.v2`):
per record the median interval over its marked beats; with twelve leads from the earliest onset to the latest end over
II and V2, for the marks and for NeuroKit2. Only records 5, 15, 25, … are reported; 10, 20, 30, … serve to tune. The
others need records of the MIT-BIH Arrhythmia Database; a beat counts as found within 150 ms (ANSI/AAMI EC57).
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import wfdb

import biosig
from biosig.features import Mark, delineate
from biosig.features.ecg_rhythm import FLUTTER_SCORE, FLUTTER_SECONDS, flutter_scores
from biosig.features.window import window_of
from biosig.recording import Recording, Stream

INTERVALS = ("QRS", "PR", "QT")
Limits = dict[str, tuple[float, float]]
"""Wave → onset and end in seconds."""

BEAT_CODES = set("NLRBAaJSVrFejnE/fQ?")
MATCH_SECONDS = 0.15
PRESENT = 0.5
"""Presence score of a wave that counts as there."""


def marked_beats(record: Path, lead: str) -> list[Limits]:
    """Marked waves of each beat of one lead, by QRS."""
    found = wfdb.rdann(str(record), lead)
    names = {"p": "P", "N": "QRS", "t": "T"}
    waves = [
        (names[symbol], *found.sample[[i - 1, i + 1]] / 500)
        for i, symbol in enumerate(found.symbol)
        if symbol in names
        and 0 < i < len(found.symbol) - 1
        and (found.symbol[i - 1], found.symbol[i + 1]) == ("(", ")")
    ]
    beats: list[Limits] = []
    for i, (name, onset, end) in enumerate(waves):
        if name != "QRS":
            continue
        beat: Limits = {"QRS": (onset, end)}
        if i and waves[i - 1][0] == "P" and onset - waves[i - 1][1] < 0.45:
            beat["P"] = waves[i - 1][1:]
        if i + 1 < len(waves) and waves[i + 1][0] == "T":
            beat["T"] = waves[i + 1][1:]
        beats.append(beat)
    return beats


def neurokit_beats(stream: Stream, lead: str, method: str) -> list[Limits]:
    """Waves of one lead by NeuroKit2; empty where it fails."""
    import neurokit2 as nk

    row, rate = stream.ch_names.index(lead), round(stream.sfreq)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            clean = nk.ecg_clean(stream.physical()[row].astype(float), sampling_rate=rate)
            peaks = nk.ecg_peaks(clean, sampling_rate=rate)[1]["ECG_R_Peaks"]
            waves = nk.ecg_delineate(clean, peaks, sampling_rate=rate, method=method)[1]
    except Exception as error:  # a library that fails on a record has no value there, which the table counts
        warnings.warn(f"NeuroKit2 {method}, lead {lead}: {error}", stacklevel=1)
        return []
    limits = {
        wave: np.array([waves[f"ECG_{letter}_{end}"] for end in ("Onsets", "Offsets")], float).T / rate
        for wave, letter in (("P", "P"), ("QRS", "R"), ("T", "T"))
    }
    return [{wave: tuple(places[i]) for wave, places in limits.items()} for i in range(len(peaks))]


def our_beats(marks: list[Mark]) -> list[Limits]:
    """Waves of each beat from annotations."""
    beats: list[Limits] = []
    for i, mark in enumerate(marks):
        if mark.label != "QRS":
            continue
        beat: Limits = {"QRS": (mark.onset, mark.onset + mark.duration)}
        for other in (m for m in marks[max(i - 4, 0) : i + 5] if m.score >= PRESENT):
            if other.label == "P" and 0 < mark.onset - other.onset < 0.45:
                beat["P"] = (other.onset, other.onset + other.duration)
            if other.label == "T" and 0 < other.onset - mark.onset < 0.7 and "T" not in beat:
                beat["T"] = (other.onset, other.onset + other.duration)
        beats.append(beat)
    return beats


def joined(first: list[Limits], second: list[Limits]) -> list[Limits]:
    """Beats of two leads: earliest onset and latest end of each wave over both."""
    beats = []
    for beat in first:
        near = [b for b in second if abs(np.nanmean(b["QRS"]) - np.nanmean(beat["QRS"])) < MATCH_SECONDS]
        pairs = [(beat, near[0])] if near else [(beat, beat)]
        waves = {w for pair in pairs for b in pair for w in b}
        merged = {}
        for wave in waves:
            limits = np.array([b[wave] for pair in pairs for b in pair if wave in b])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                merged[wave] = (float(np.nanmin(limits[:, 0])), float(np.nanmax(limits[:, 1])))
        beats.append(merged)
    return beats


def intervals(beats: list[Limits]) -> dict[str, float]:
    """Median QRS, PR and QT in ms; NaN where no beat has it."""
    none = (np.nan, np.nan)
    qrs, p, t = (np.array([beat.get(wave, none) for beat in beats]).reshape(-1, 2) for wave in ("QRS", "P", "T"))
    spans = {"QRS": qrs[:, 1] - qrs[:, 0], "PR": qrs[:, 0] - p[:, 0], "QT": t[:, 1] - qrs[:, 0]}
    return {
        name: 1000 * float(np.median(span[np.isfinite(span)])) if np.isfinite(span).any() else np.nan
        for name, span in spans.items()
    }


def one_lead(recording: Recording, lead: str) -> Recording:
    """The recording with one lead alone."""
    stream = recording.streams[0]
    return Recording(id=recording.id, streams=[stream.pick([stream.ch_names.index(lead)])])


def measure(record: Path) -> dict[tuple[str, str], dict[str, float]]:
    """(leads, method) → intervals of one record."""
    recording = biosig.read(record.with_suffix(".hea"))
    stream = recording.streams[0]
    marked = {lead: marked_beats(record, lead) for lead in ("ii", "v2")}
    found = {
        ("II", "marks"): intervals(marked["ii"]),
        ("twelve", "marks"): intervals(joined(marked["ii"], marked["v2"])),
        ("II", "ours"): intervals(our_beats(delineate(one_lead(recording, "II")))),
        ("twelve", "ours"): intervals(our_beats(delineate(recording))),
    }
    for method in ("dwt", "prominence"):
        beats = {lead: neurokit_beats(stream, lead, method) for lead in ("II", "V2")}
        found["II", method] = intervals(beats["II"])
        found["twelve", method] = intervals(joined(beats["II"], beats["V2"]))
    return found


def interval_table(records: list[Path]) -> str:
    """Errors against the marks as a Markdown table, ms."""
    rows = [measure(record) for record in records]
    lines = [
        "| leads | method | interval | records | missing | bias | SD | MAE | MAE where ours and prominence have one |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for leads in ("II", "twelve"):
        for name in INTERVALS:
            error = {
                method: np.array([row[leads, method][name] - row[leads, "marks"][name] for row in rows])
                for method in ("ours", "prominence", "dwt")
            }
            known = np.array([np.isfinite(row[leads, "marks"][name]) for row in rows])
            both = np.isfinite(error["ours"]) & np.isfinite(error["prominence"])
            for method, values in error.items():
                ok = values[np.isfinite(values)]
                paired = values[both & np.isfinite(values)]
                lines.append(
                    f"| {leads} | {method} | {name} | {known.sum()} | {known.sum() - len(ok)} | {ok.mean():+.1f} | "
                    f"{ok.std(ddof=1):.1f} | {np.abs(ok).mean():.1f} | {np.abs(paired).mean():.1f} |"
                )
    return "\n".join(lines)


def beat_table(folder: Path) -> str:
    """Beats found per record of MIT-BIH as a Markdown table; stretches of ventricular flutter are not counted."""
    lines = ["| record | beats | sensitivity % | precision % |", "|---|---|---|---|"]
    total = np.zeros(3)
    for header in sorted(folder.glob("*.hea")):
        record, recording = str(header.with_suffix("")), biosig.read(header)
        found = wfdb.rdann(record, "atr")
        is_beat = np.array([symbol in BEAT_CODES for symbol in found.symbol])
        marked = found.sample[is_beat] / found.fs
        ours = np.array([mark.onset for mark in delineate(recording) if mark.label == "beat"])
        flutter = flutter_spans(found)
        marked, ours = (
            t[~np.any([(t > a - 0.15) & (t < b + 0.15) for a, b in flutter], axis=0)] if flutter else t
            for t in (marked, ours)
        )
        hits = matches(marked, ours)
        counts = np.array([hits, len(marked), len(ours)])
        total += counts
        lines.append(f"| {header.stem} | {counts[1]} | {100 * hits / counts[1]:.2f} | {100 * hits / counts[2]:.2f} |")
    lines.append(f"| all | {total[1]:.0f} | {100 * total[0] / total[1]:.2f} | {100 * total[0] / total[2]:.2f} |")
    return "\n".join(lines)


def flutter_table(folder: Path) -> str:
    """Four-second stretches inside and outside of annotated ventricular flutter that score 0.55 or more."""
    counts_by_flutter = {True: np.zeros(2), False: np.zeros(2)}
    for header in sorted(folder.glob("*.hea")):
        window = window_of(biosig.read(header), "ecg")
        assert window is not None
        spans = flutter_spans(wfdb.rdann(str(header.with_suffix("")), "atr"))
        scores = flutter_scores(window)
        starts = np.arange(len(scores)) * FLUTTER_SECONDS / 2
        inside = np.zeros(len(scores), bool)
        touched = np.zeros(len(scores), bool)
        for first, last in spans:
            inside |= (starts >= first) & (starts + FLUTTER_SECONDS <= last)
            touched |= (starts + FLUTTER_SECONDS > first) & (starts < last)
        for is_flutter, rows in ((True, inside), (False, ~touched)):
            counts_by_flutter[is_flutter] += ((scores[rows] >= FLUTTER_SCORE).sum(), rows.sum())
    (found, inside_n), (false, outside_n) = counts_by_flutter[True], counts_by_flutter[False]
    return (
        "| stretches of 4 s | found as flutter | of |\n|---|---|---|\n"
        f"| within flutter | {found:.0f} | {inside_n:.0f} |\n| without any | {false:.0f} | {outside_n:.0f} |"
    )


def flutter_spans(found: wfdb.Annotation) -> list[tuple[float, float]]:
    """Starts and ends in seconds of ventricular flutter, by the marks "[" and "]"."""
    starts = [s / found.fs for s, symbol in zip(found.sample, found.symbol, strict=True) if symbol == "["]
    ends = [s / found.fs for s, symbol in zip(found.sample, found.symbol, strict=True) if symbol == "]"]
    return list(zip(starts, ends, strict=False))


def matches(marked: np.ndarray, found: np.ndarray) -> int:
    """Number of true beats with a found beat within 150 ms, each found beat used once."""
    hits = i = j = 0
    while i < len(marked) and j < len(found):
        gap = found[j] - marked[i]
        if abs(gap) <= MATCH_SECONDS:
            hits, i, j = hits + 1, i + 1, j + 1
        elif gap < 0:
            j += 1
        else:
            i += 1
    return hits


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with ludb-marks and mitdb in it")
    parser.add_argument("--tuning", action="store_true", help="the records 10, 20, 30, … instead of 5, 15, 25, …")
    parser.add_argument("--skip-beats", action="store_true")
    args = parser.parse_args()
    first = 10 if args.tuning else 5
    print(interval_table([args.data / "ludb-marks" / str(number) for number in range(first, 201, 10)]), "\n")
    if not args.skip_beats:
        print(beat_table(args.data / "mitdb"), "\n")
        print(flutter_table(args.data / "mitdb"))


if __name__ == "__main__":
    main()
