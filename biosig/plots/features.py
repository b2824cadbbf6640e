"""One page about a recording's features: rate and rhythm, median beat or pulse, criteria, and missing values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from biosig.errors import DataError
from biosig.features.eeg_channels import REGIONS
from biosig.features.registry import Column, check_kinds, columns
from biosig.features.row import extract_window
from biosig.features.window import Window, window_of
from biosig.plots.beats import plot_mean_pulse, plot_median_beat, plot_spectra
from biosig.plots.criteria import FIRES, add_criteria
from biosig.plots.ecg import describe
from biosig.plots.report import Report
from biosig.plots.style import unit_sign
from biosig.recording import Recording

TITLES = {"ecg": "ECG", "ppg": "PPG", "eeg": "EEG"}

MEASURES = {
    "ecg": {
        "rate": "Heart rate", "n_beats": "Beats found", "median_beats": "Beats in the median beat",
        "p_duration": "P duration", "pr": "PR interval", "qrs": "QRS duration", "qt": "QT interval",
        "qtc_fridericia": "QTc (Fridericia)", "p_axis": "P axis", "qrs_axis": "QRS axis", "t_axis": "T axis",
        "rr_min": "Shortest RR", "rr_max": "Longest RR",
        "sdnn": "SDNN", "rmssd": "RMSSD", "premature_share": "Premature beats",
        "ectopic_share": "Beats of another shape",
    },
    "ppg": {
        "rate": "Pulse rate", "n_pulses": "Pulses found", "n_whole": "Pulses in the mean pulse",
        "rr_min": "Shortest interval", "rr_max": "Longest interval", "sdnn": "SDNN", "rmssd": "RMSSD",
        "breaths": "Respiratory rate", "crest_time": "Crest time", "width_50": "Width at half height",
        "notch_time": "Notch", "aging_index": "Aging index", "likeness_mean": "Likeness of pulses",
    },
    "eeg": {
        "n_channels": "Channels measured", "peak_alpha_posterior": "Posterior alpha peak", "blinks": "Blinks",
        "aperiodic_high": "Upper end of the aperiodic fit",
    },
}  # fmt: skip
"""Rows of the first table of a kind, by column."""

AHA_3, AHA_4 = "Surawicz et al., Circulation 2009; 119:e235", "Rautaharju et al., Circulation 2009; 119:e241"
USUAL = {
    "rate": ("60 to 100", "Page et al., Circulation 2016; 133:e506"),
    "p_duration": ("below 120", "Hancock et al., Circulation 2009; 119:e251"),
    "pr": ("120 to 200", "Kusumoto et al., Circulation 2019; 140:e382, and Willems et al., JACC 1985; 5:1261"),
    "qrs": ("up to 110", AHA_3),
    "qtc_fridericia": ("390 to 450 in men, to 460 in women", AHA_4),
    "qrs_axis": ("−30 to 90", AHA_3),
}
"""Column of an adult's ECG → its usual range in the table's unit, and who says so."""

LEAD_MEASURES = {
    "r_amplitude": "R (mV)", "s_amplitude": "S (mV)", "st60": "ST + 60 ms (mV)", "t_amplitude": "T (mV)",
    "qrs_area": "QRS area (mV·ms)", "signal_to_noise": "signal to noise (dB)",
}  # fmt: skip

REVERSALS = {
    "arms_exchanged": "the arm electrodes look exchanged",
    "right_leg_exchanged": "the right-leg electrode looks exchanged with an arm's",
    "inverted": "turned upside down",
}

PICTURES: dict[str, tuple[Callable[[Window], Figure | None], str, str]] = {
    "ecg": (
        plot_median_beat,
        "Median beat of each lead. Shaded: the P wave, the QRS complex and the T wave, from the earliest onset to the "
        "latest end over all leads.",
        "no beat was found",
    ),
    "ppg": (
        plot_mean_pulse,
        "Mean pulse, from 0 at the foot to 1 at the peak, and its second derivative with the waves a to e.",
        "no whole pulse was found",
    ),
    "eeg": (
        plot_spectra,
        "Power spectra, median over the electrodes of each lobe, and the frequency bands.",
        "no spectrum could be measured",
    ),
}
"""Kind → its picture, caption, and the sentence if there is none."""


def write_features_report(recording: Recording, path: str | Path, kinds: Sequence[str] | None = None) -> Path:
    """Write one HTML page about a recording's features.

    Parameters
    ----------
    recording : Recording
        The whole of it is one window.
    path : str or Path
        Of the page.
    kinds : sequence of str, optional
        "ecg", "ppg", "eeg"; default all that the recording has.

    Raises
    ------
    UsageError
        If a kind has no features.
    DataError
        If the recording has no sample of these kinds.
    """
    chosen = check_kinds(kinds)
    windows = [window for kind in chosen if (window := window_of(recording, kind)) is not None and window.n_times]
    if not windows:
        raise DataError(
            f"Recording '{recording.id}' has no sample of {', '.join(chosen)} (its kinds: "
            f"{', '.join(recording.kinds) or 'none'}): a report of features needs a channel of one of these kinds."
        )
    held = "; ".join(
        f"{TITLES[window.kind]}: {len(window.ch_names)} channel{'s' * (len(window.ch_names) > 1)}, {window.sfreq:g} Hz"
        for window in windows
    )
    report = Report(f"Features of {describe(recording)}", f"{recording.duration:g} s. {held}")
    sex = recording.subject.sex if recording.subject else None
    for window in windows:
        _add_kind(report, window, sex)
    return report.write(path)


def _add_kind(report: Report, window: Window, sex: str | None) -> None:
    kind = window.kind
    values = {name.removeprefix(f"{kind}."): value for name, value in extract_window(window).items()}
    known = columns(kind)
    report.add_text(f"## {TITLES[kind]}")
    for note in window.notes:
        report.add_text(f"> {note.removeprefix(f'{kind}: ').capitalize()}.")
    caption = "A dash: it could not be measured."
    if kind == "ecg":
        sources = dict.fromkeys(source for _, source in USUAL.values())
        caption += f" Usual ranges are those of adults at rest: {'; '.join(sources)}."
    report.add_table(_measures(kind, values, known), caption)
    draw, caption, otherwise = PICTURES[kind]
    figure = draw(window)
    if figure is None:
        report.add_text(f"There is no picture: {otherwise}.")
    else:
        report.add_figure(figure, caption, caption)
    if kind == "ecg":
        add_criteria(report, window, values, sex)
        _add_leads(report, window, values)
    if kind == "eeg":
        _add_regions(report, values)
    _add_missing(report, window, values, known)


def _measures(kind: str, values: dict[str, float], known: Sequence[Column]) -> pd.DataFrame:
    by_name = {column.name: column for column in known}
    rows = []
    for name, title in MEASURES[kind].items():
        value, unit = values.get(name, np.nan), _unit(by_name[name].unit)
        if name.endswith("_share"):
            value, unit = 100 * value, "%"
        rows.append((title, _number(value), unit, USUAL.get(name, ("",))[0], by_name[name].formula))
    table = pd.DataFrame(rows, columns=["measure", "value", "unit", "usual", "how it is measured"])
    return table if kind == "ecg" else table.drop(columns="usual")


def _number(value: float) -> str:
    """Three significant digits, whole numbers as they are; a dash where there is none."""
    if not np.isfinite(value):
        return "–"
    value = value + 0.0  # no minus in front of zero
    return f"{value:.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.3g}"


def _unit(unit: str) -> str:
    return "" if unit == "1" else unit_sign(unit)


def _add_leads(report: Report, window: Window, values: dict[str, float]) -> None:
    """Amplitudes and quality of each lead, and leads that look exchanged."""
    rows = [
        (name, *(_number(values.get(f"{measure}[{name}]", np.nan)) for measure in LEAD_MEASURES))
        for name in window.ch_names
    ]
    report.add_text("### Leads")
    report.add_table(pd.DataFrame(rows, columns=["lead", *LEAD_MEASURES.values()]), "Amplitudes of the median beat.")
    odd = [text for name, text in REVERSALS.items() if values.get(name, 0.0) >= FIRES]
    odd += [f"{lead} looks {REVERSALS['inverted']}" for lead in window.ch_names if _share(values, "inverted", lead)]
    if values.get("chest_order", 0.0) < 0:
        odd.append("two of the chest electrodes look exchanged")
    if odd:
        report.add_text(f"> Reported, not repaired: {'; '.join(odd)}.")


def _share(values: dict[str, float], measure: str, lead: str) -> bool:
    return values.get(f"{measure}[{lead}]", 0.0) >= FIRES


def _add_regions(report: Report, values: dict[str, float]) -> None:
    """Share of the power in each band and the aperiodic exponent, by region."""
    shown = {f"region_share_{band}": f"{band} (%)" for band in ("delta", "theta", "alpha", "beta", "gamma")}
    shown["region_aperiodic_exponent"] = "aperiodic exponent"
    found = {
        region: [values.get(f"{name}[{region}]", np.nan) * (100 if "_share_" in name else 1) for name in shown]
        for region in REGIONS
    }
    rows = [(region, *map(_number, cells)) for region, cells in found.items() if np.isfinite(cells).any()]
    if rows:
        report.add_text("### Regions")
        caption = (
            "Share of the power from 1 to 45 Hz that lies in each band, and how steeply the spectrum falls between the "
            "peaks; means over the region's electrodes."
        )
        report.add_table(pd.DataFrame(rows, columns=["region", *shown.values()]), caption)


def _add_missing(report: Report, window: Window, values: dict[str, float], known: Sequence[Column]) -> None:
    """Columns that have no value, with the reason where it is one for all."""
    lacking: dict[str, list[str]] = {}
    for name, value in values.items():
        if not np.isfinite(value) and not name.startswith("score_"):
            column, _, label = name.rstrip("]").partition("[")
            lacking.setdefault(column, []).append(label)
    if not lacking:
        return
    n_missing = sum(map(len, lacking.values()))
    report.add_text(
        f"### What could not be measured\n{n_missing} of {len(values)} values are missing. A value that the recording "
        "cannot carry is left empty, never guessed."
    )
    by_name = {column.name: column for column in known}
    if not window.amplitude:
        n_amplitude = sum(by_name[name].amplitude for name in lacking)
        report.add_text(f"{n_amplitude} columns need amplitudes, which this recording does not have (see above).")
        lacking = {name: labels for name, labels in lacking.items() if not by_name[name].amplitude}
    alike: dict[str, list[str]] = {}
    for name, labels in lacking.items():
        alike.setdefault(", ".join(labels), []).append(name)
    rows = [(name, "", by_name[name].formula) for name in alike.pop("", [])]
    for shared_labels, names in alike.items():
        rows.append((", ".join(names), shared_labels, by_name[names[0]].formula if len(names) == 1 else ""))
    if rows:
        report.add_table(pd.DataFrame(rows, columns=["column", "of", "what it is"]))
