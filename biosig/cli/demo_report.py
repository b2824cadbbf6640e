"""The demo's report: the recordings, the model's input, the learned vectors, and the reliability of the scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from biosig.downstream.results.result import ProbeResult
from biosig.models.load import load_model
from biosig.plots.curves import plot_loss
from biosig.plots.ecg import plot_ecg
from biosig.plots.electrodes import plot_electrodes
from biosig.plots.reconstruction import plot_reconstruction
from biosig.plots.report import Report
from biosig.plots.scores import plot_scores
from biosig.plots.signals import plot_signals
from biosig.pretrain.objectives.reconstruct import rebuild_window
from biosig.recording import Recording
from biosig.shards.dataset import ShardDataset, open_shards

INTRODUCTION = """
This report was made by one command from recordings that ship with Biosig. It walks the whole line: files of three
formats became shards; `{model}` ({n_parameters:,} parameters) learned from them for {steps} steps by rebuilding what
was hidden from it, to show how; the frozen embeddings of `{shipped}`, whose weights ship, were tested by a linear
probe, on people that the probe had not seen, and none of whom is known to be in the training data of the weights.

The recordings are few, so the intervals are wide. The tables show how a score should be shown: with an interval, beside
chance, the same network never trained, and features made by hand. Its scores on more people are in its card.
"""

LIMITATIONS = """
## How far this goes

- These are samples of public databases, small enough to ship. Intervals are wide; with seven EEG subjects they are
  narrower than they should be.
- Positions are those of a typical adult where the file has none.
- For research, not a medical device.
"""


def write_report(out: Path, cohort: pd.DataFrame, results: Sequence[tuple[str, ProbeResult]], shipped: str) -> Path:
    """Draw every picture and write `report.html` into the demo's folder.

    Parameters
    ----------
    out : Path
        The demo's folder.
    cohort : DataFrame
        The ingested recordings, one row per set.
    results : sequence of (str, ProbeResult)
        Each task's title and result.
    shipped : str
        Name of the model that was probed.

    Returns
    -------
    Path
        The report.
    """
    shards = {name: open_shards(out / "shards" / name) for name in ("ptbxl", "eegmmidb", "bidmc")}
    ecg = _abnormal_ecg(shards["ptbxl"])
    eeg, bedside = shards["eegmmidb"][0].read(), shards["bidmc"][0].read()
    run = out / "pretrain"
    model = load_model(run / "model")
    log = pd.read_json(run / "log.jsonl", lines=True)

    report = Report("Biosig: the whole line on real recordings", "ECG, PPG and EEG: ingest, pretrain, embed, probe")
    facts = {
        "model": model.name,
        "n_parameters": model.n_parameters,
        "steps": int(log["step"].max()),
        "shipped": shipped,
    }
    report.add_text(INTRODUCTION.format(**facts))
    report.add_table(cohort, "What was ingested, to the file's own integers.")

    report.add_text("## What was recorded")
    report.add_figure(plot_ecg(ecg), _caption(ecg), "A 12-lead ECG on ECG paper")
    report.add_figure(
        plot_signals(
            bedside, 10, 10, kinds=("ppg", "ecg", "resp"), title="Bedside monitor: ECG, pulse wave, respiration"
        ),
        "A bedside recording: three signals of one patient at 125 Hz. Amplitudes of PPG and respiration have no unit.",
        "Stacked traces of ECG, PPG and respiration over ten seconds",
    )
    report.add_figure(
        plot_signals(eeg, 4, 10, title="Scalp EEG with its cues"),
        "EEG with the cues that the subject saw: T0 rest, T1 and T2 imagined movement.",
        "Stacked traces of 19 EEG channels over ten seconds with shaded cues",
    )
    report.add_text(
        "## Where it was recorded\n\nEvery channel has a place and a reference in one body frame; this is what the "
        "model is told about it, in place of a row number."
    )
    channels = [*ecg.channels, *eeg.channels, *bedside.channels]
    report.add_figure(
        plot_electrodes(channels),
        "Measured where the file has positions, else a template. An arrow runs from reference to electrode.",
        "Map of the EEG electrodes on the head and of the ECG leads and PPG site on the body",
    )

    report.add_text("## What the model learned to rebuild")
    report.add_figure(plot_loss(log), _loss_caption(log), "Training and validation loss over the steps")
    for recording, kind in ((ecg.crop(0, 5), "ecg"), (eeg.crop(4, 5), "eeg"), (bedside.crop(10, 5), "ppg")):
        _add_reconstruction(report, run, recording, kind, kind.upper())

    report.add_text("## What the embeddings are worth")
    for title, result in results:
        _add_result(report, title, result)
    report.add_text(LIMITATIONS)
    return report.write(out / "report.html")


def _abnormal_ecg(ds: ShardDataset) -> Recording:
    for row in range(len(ds)):
        if "MI" in ds[row].labels.get("diagnostic_superclass", ()):
            return ds[row].read()
    return ds[0].read()


def _caption(ecg: Recording) -> str:
    classes = ", ".join(ecg.labels.get("diagnostic_superclass", ())) or "none"
    text = f"A 12-lead ECG at {ecg.streams[0].sfreq:g} Hz; diagnostic superclasses in the database: {classes}."
    return text + (f" Its report reads: {ecg.report}" if ecg.report else "")


def _loss_caption(log: pd.DataFrame) -> str:
    held_out = log[log["part"] == "validation"]
    if held_out.empty:
        return "Mean absolute error over hidden patches, in units of the recording's robust scale."
    last = held_out.iloc[-1]
    parts = [
        f"{m.upper()} {last[f'loss_{m}']:.2f} (predicting the mean: {last[f'mean_predictor_{m}']:.2f})"
        for m in ("ecg", "ppg", "eeg")
        if f"loss_{m}" in held_out and np.isfinite(last[f"loss_{m}"])
    ]
    return (
        "Mean absolute error over hidden patches, in units of the recording's robust scale. On held-out subjects at "
        f"the end: {', '.join(parts)}."
    )


def _add_reconstruction(report: Report, run: Path, recording: Recording, modality: str, what: str) -> None:
    shown = next(window for window in rebuild_window(run, recording) if window.modality == modality)
    report.add_figure(
        plot_reconstruction(
            shown.truth,
            shown.reconstruction,
            shown.mask,
            shown.sfreq,
            shown.ch_names,
            shown.unit,
            title=f"{what}: what was hidden, and what the model put there",
        ),
        "Shaded spans were hidden from the model; it saw the rest of this window and nothing of any other.",
        f"{what} traces with the hidden spans and their reconstruction",
    )


def _add_result(report: Report, title: str, result: ProbeResult) -> None:
    report.add_text(f"### {title}")
    cohort = result.facts["cohort"]["all"]
    report.add_figure(
        plot_scores(result.table, title=title),
        f"{cohort['n_subjects']} subjects, {cohort['n_recordings']} recordings, {cohort['n_windows']} windows; "
        "bars are 95 % intervals from resampling subjects.",
        f"Scores with intervals for {title}",
    )
    shown = result.table[["method", "metric", "value", "low", "high"]]
    report.add_table(shown, "Score and 95 % interval.")
    report.add_text("\n".join(f"- {note}" for note in result.notes))
