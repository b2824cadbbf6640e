"""Intervals of the median beat, the evidence for its waves, and how many beats stand behind it."""

from __future__ import annotations

import numpy as np

from biosig.features.ecg_leads import leads
from biosig.features.ecg_median import median_beat
from biosig.features.ecg_rhythm import intervals
from biosig.features.ecg_waves import waves
from biosig.features.registry import Column, Values, feature
from biosig.features.window import Window, shared

KLIGFIELD = "Kligfield et al., Circulation 2007; 115:1306"
RAUTAHARJU = "Rautaharju et al., Circulation 2009; 119:e241"


@feature(
    "ecg",
    Column("n_leads", "1", "leads that can be measured"),
    Column("median_beats", "1", "beats of the commonest shape that the median beat and all below is taken from"),
    Column(
        "p_score", "1", "evidence for a P wave: 1 − 2 × (variance that scatter leaves in the median beat / its own)"
    ),
    Column("t_score", "1", "evidence for a T wave, likewise"),
    Column("pr", "ms", "QRS onset − P onset, over all leads", KLIGFIELD),
    Column("p_duration", "ms", "P end − P onset, over all leads", KLIGFIELD),
    Column("pr_segment", "ms", "QRS onset − P end"),
    Column("qrs", "ms", "QRS end − QRS onset, over all leads", KLIGFIELD),
    Column("qt", "ms", "T end − QRS onset, over all leads", RAUTAHARJU),
    Column("jt", "ms", "qt − qrs", RAUTAHARJU),
    Column("t_duration", "ms", "T end − T onset"),
    Column("qtc_bazett", "ms", "qt / √(RR / 1 s)", "Bazett, Heart 1920; 7:353"),
    Column("qtc_fridericia", "ms", "qt / ∛(RR / 1 s)", "Fridericia, Acta Med Scand 1920; 53:469"),
    Column("qtc_framingham", "ms", "qt + 154 (1 − RR / 1 s)", "Sagie et al., Am J Cardiol 1992; 70:797"),
    Column("qtc_hodges", "ms", "qt + 1.75 (rate − 60)", "Hodges et al., JACC 1983; 1:694"),
    Column("qt_rr", "1", "qt / median RR"),
    timing=True,
)
@shared
def beat_intervals(window: Window) -> Values:
    """Intervals over all leads; NaN for those of a wave that is not there."""
    beat, found = median_beat(window), waves(window)
    values: dict[str, float] = {"n_leads": float(len(leads(window).names)), "median_beats": float(beat.n_beats)}
    if found is None:
        return values
    values |= {"p_score": found.p_score, "t_score": found.t_score, "qrs": 1000 * (found.qrs[1] - found.qrs[0])}
    if found.has_p:
        values["pr"] = 1000 * (found.qrs[0] - found.p[0])
        values["p_duration"] = 1000 * (found.p[1] - found.p[0])
        values["pr_segment"] = 1000 * (found.qrs[0] - found.p[1])
    if found.has_t:
        qt = 1000 * (found.t[1] - found.qrs[0])
        values |= {"qt": qt, "jt": qt - values["qrs"], "t_duration": 1000 * (found.t[1] - found.t[0])}
        rr = intervals(window).rr
        if len(rr):
            second = float(np.median(rr)) / 1000
            values |= {
                "qtc_bazett": qt / second**0.5,
                "qtc_fridericia": qt / second ** (1 / 3),
                "qtc_framingham": qt + 154 * (1 - second),
                "qtc_hodges": qt + 1.75 * (60 / second - 60),
                "qt_rr": qt / (1000 * second),
            }
    return values
