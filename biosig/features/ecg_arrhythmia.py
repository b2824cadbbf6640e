"""Criteria of rhythm, and a normal ECG."""

from __future__ import annotations

import numpy as np

from biosig.features.ecg_conduction import qrs
from biosig.features.ecg_hypertrophy import lvh_voltage
from biosig.features.ecg_infarction import poor_r, q_infarction
from biosig.features.ecg_repolarisation import depression, inversion
from biosig.features.ecg_rhythm import FLUTTER_SCORE, flutter_scores
from biosig.features.ecg_scores import (
    ANTERIOR,
    COMMON,
    INFERIOR,
    LATERAL,
    OURS,
    Criterion,
    Evidence,
    all_of,
    any_of,
    at_least,
    at_most,
    not_,
    register,
)

HRS = "Kusumoto et al., Circulation 2019; 140:e382"
ESC = "Hindricks et al., Eur Heart J 2021; 42:373"
SVT = "Page et al., Circulation 2016; 133:e506"
VT = "Al-Khatib et al., Circulation 2018; 138:e272"


def no_p(e: Evidence) -> float:
    """No P wave before the QRS."""
    return at_most(e.p_score, 0.5, 0.12)


def irregular(e: Evidence) -> float:
    """RR intervals that vary by a tenth and more."""
    return at_least(e.rr_cv, 0.1, 0.02)


def fibrillation(e: Evidence) -> float:
    """Irregular intervals without P waves, and few premature beats to explain them."""
    return all_of(no_p(e), irregular(e))


def sinus(e: Evidence) -> float:
    """P waves that are upright in I and II, or of known presence where those leads are missing."""
    upright = [at_least(e.share("p", lead), 0.0, 0.01) for lead in ("I", "II")]
    known = [score for score in upright if np.isfinite(score)]
    return all_of(not_(no_p(e)), *known)


def ventricular_flutter(e: Evidence) -> float:
    """A stretch of 4 s that is nearly one sine."""
    scores = flutter_scores(e.window)
    return at_least(float(scores.max()), FLUTTER_SCORE, 0.06) if len(scores) else np.nan


def abnormal_st_t(e: Evidence) -> float:
    """ST depression or T inversion of any territory."""
    return any_of(*(part(e, group) for part in (depression, inversion) for group in (INFERIOR, LATERAL, ANTERIOR)))


def normal(e: Evidence) -> float:
    """Nothing of the above."""
    return all_of(
        not_(qrs(e, 110)), at_most(e.pr, 200, 8) if np.isfinite(e.pr) else 0.5, not_(lvh_voltage(e)),
        not_(q_infarction(e)), not_(0.5 * poor_r(e)), not_(abnormal_st_t(e)), not_(fibrillation(e)),
        at_least(e.axis, -30, 8), at_most(e.axis, 100, 8),
    )  # fmt: skip


register((
    Criterion("sinus", "P before the QRS, upright in I and II", SVT, sinus, amplitude=False),
    Criterion("tachycardia", "rate > 100 / min", SVT, lambda e: at_least(e.rate, 100, 3), amplitude=False),
    Criterion("bradycardia", "rate < 50 / min", HRS, lambda e: at_most(e.rate, 50, 2), amplitude=False),
    Criterion("bradycardia_60", "rate < 60 / min", COMMON,
              lambda e: at_most(e.rate, 60, 2), amplitude=False),
    Criterion("no_p", "evidence for a P wave below 0.5", ESC, no_p, amplitude=False),
    Criterion("irregular", "standard deviation of RR over 10 % of the mean", OURS, irregular, amplitude=False),
    Criterion("atrial_fibrillation", "irregular and no P wave, each as above", ESC, fibrillation, amplitude=False),
    Criterion("sinus_arrhythmia", "P wave, longest − shortest RR > 120 ms, no premature beat", COMMON,
              lambda e: all_of(not_(no_p(e)), at_least(e.rr_max - e.rr_min, 120, 15), at_most(e.premature_share, 0.05,
              0.02)),
              amplitude=False),
    Criterion("premature", "one beat in twenty or more comes before 85 % of the usual RR", OURS,
              lambda e: at_least(e.premature_share, 0.05, 0.02), amplitude=False),
    Criterion("premature_ventricular", "a premature beat of another shape", OURS,
              lambda e: at_least(e.premature_ectopic_share * e.n_beats, 0.5, 0.1), amplitude=False),
    Criterion("ectopic", "one beat in twenty or more has another shape", OURS,
              lambda e: at_least(e.ectopic_share, 0.05, 0.02), amplitude=False),
    Criterion("pause", "RR > 2 s (Kusumoto et al. take 3 s)", OURS,
              lambda e: at_least(e.rr_max, 2000, 80), amplitude=False),
    Criterion("supraventricular_tachycardia", "regular, QRS < 120 ms, no P wave; rate > 120, ours", SVT,
              lambda e: all_of(at_least(e.rate, 120, 5), at_most(e.qrs, 120, 5), no_p(e), not_(irregular(e))),
              amplitude=False),
    Criterion("ventricular_tachycardia", "rate > 100, QRS ≥ 120 ms, no P wave", VT,
              lambda e: all_of(at_least(e.rate, 100, 5), qrs(e, 120), no_p(e)), amplitude=False),
    Criterion("ventricular_flutter", "4 s of which 55 % lie within 0.75 Hz of a peak at 2.3 to 7 Hz",
              "Barro et al., J Med Eng Technol 1989; 13:220", ventricular_flutter, amplitude=False),
    Criterion("junctional", "no P wave, regular, QRS < 120 ms, rate < 60", HRS,
              lambda e: all_of(no_p(e), not_(irregular(e)), at_most(e.qrs, 120, 5), at_most(e.rate, 60, 3)),
              amplitude=False),
    Criterion("normal", "none of QRS ≥ 110, PR > 200 ms, hypertrophy, Q, lost R, ST-T, fibrillation, axis deviation",
              "Kligfield et al., Circulation 2007; 115:1306", normal),
))  # fmt: skip
