"""The README's picture, drawn from the sample recordings: ``python -m tools.make_overview_picture --out FILE.png``."""

from __future__ import annotations

import argparse
import io
from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

import biosig
from biosig import samples
from biosig.plots.ecg import plot_ecg
from biosig.plots.electrodes import plot_electrodes
from biosig.plots.signals import plot_signals

WIDTH, GAP, DPI = 1300, 20, 100
"""Pixels of the whole picture and between its parts, and pixels per inch of a figure."""

HALF = (WIDTH - GAP) // 2
COLOURS = 200
"""Few colours are enough for lines on paper and make the file a third of its size."""


def overview() -> Image.Image:
    """A 12-lead ECG, an EEG with its events, a PPG with its ECG, and where all their channels are."""
    ecg = biosig.read(samples.path("ptbxl") / "records100/00000/00012_lr.hea")
    eeg = biosig.read(samples.path("eegmmidb") / "S001R04.edf")
    ppg = biosig.read(samples.path("bidmc") / "bidmc_18_Signals.csv.gz")
    finger = [channel for channel in ppg.channels if channel.kind == "ppg"]
    few = [i for i, name in enumerate(eeg.ch_names) if name in ("F3", "Fz", "C3", "Cz", "C4", "O2")]
    fewer = replace(eeg, streams=[eeg.streams[0].pick(few)])
    rows = [
        [as_image(plot_ecg(ecg, title="12-lead ECG"), WIDTH)],
        [
            as_image(plot_signals(fewer, 0, 10, title="EEG, motor imagery", width=HALF / DPI), HALF),
            as_image(
                plot_signals(ppg, 0, 10, ["ppg", "ecg", "resp"], title="PPG, ECG, respiration", width=HALF / DPI), HALF
            ),
        ],
        [as_image(plot_electrodes([*eeg.channels, *ecg.channels, *finger]), WIDTH)],
    ]
    return stack(rows)


def as_image(figure: Figure, width: int) -> Image.Image:
    """A figure as pixels, `width` of them wide."""
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=width / figure.get_figwidth())
    return Image.open(data).convert("RGB")


def stack(rows: list[list[Image.Image]]) -> Image.Image:
    """Rows of pictures on white, with a gap between them."""
    heights = [max(image.height for image in row) for row in rows]
    canvas = Image.new("RGB", (WIDTH, sum(heights) + GAP * (len(rows) - 1)), "white")
    top = 0
    for row, height in zip(rows, heights, strict=True):
        left = 0
        for image in row:
            canvas.paste(image, (left, top + (height - image.height) // 2))
            left += image.width + GAP
        top += height + GAP
    return canvas


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="PNG file to write")
    out = parser.parse_args().out
    out.parent.mkdir(parents=True, exist_ok=True)
    overview().quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(out, optimize=True)


if __name__ == "__main__":
    main()
