"""Names of files, sittings and subjects: those that are codes, and those that may be a person's or a day's."""

from __future__ import annotations

import re
from collections.abc import Collection

from ingest.privacy.scrub import removed, scrub

_LONG_NUMBER = re.compile(r"\d{6}")
_LETTERS = re.compile(r"[^\W\d_]+")
_PERSONAL = re.compile(r"[^\W\d_]{4,}|[A-Z][a-z]{2}|.*[^ -~].*")
_VOCABULARY = frozenset(
    _LETTERS.findall("""
    abp accelerometer acq acqu amp annotation annotations anonymised anonymized anonymous array arrhythmia atr
    atrial aux average avf avl avr awake band baseline bdf beats bidmc bipolar block blocks blood bpm brain breath
    breaths calib calibration cases chan channel channels chest code cohort control controls data deep device diag
    diagnosis dominant dual ear ecg ecgs ecog edf eeg eegs ekg electrode electrodes emg eog epoch epochs event
    events exam exercise export eye eyes female fibrillation file finger flutter frontal ground group head healthy
    heart heartbeat holdout holter hospital hour ictal idle imagery implant infarct interictal lab lead leads left
    leg limb male mask mcl mean measure measurement meg merged minute mitbih mixed monitor montage motion motor mri
    nap nasal night nights noise normal numerics oddball off parietal part participant participants patient patients
    photic pilot pleth polysomnography ppg pre pressure proband probe psg pulse quality raw rec record recording
    recordings records ref reference rem resp respiration rest resting rhythm right rsp run runs sample samples
    scalp segment segments seizure sensor series ses session sessions side signal signals sim simulated sinus sleep
    spindle spo stage stages standard start state step stim stimulus stop stress study sub subj subject subjects
    surface tachycardia task tasks temp temporal test tests time train trial trials type unit unknown ventricular
    vep vertical video visit visits visual voltage volunteer volunteers wake walk wave waves week welltory window
    wrist
    """)
)
"""Words of three letters or more that name no person: words in names of files, subjects' codes, channels and events."""


_SHORT_SURNAMES = frozenset(
    _LETTERS.findall("""
    abt an ali arp bai ban beck bo bock box cai chu cox cui dai day de di do dow du duc eid eke ek erb fan fei
    fox fu gao gay ge go gu guo ha hai han hay he ho hoy hu hua ito jin jo jon jun kai kay kim ko koh koo kox ku
    lai lam lau law le lee lei leo li lim lin liu lo loh low loy lu luo ma mai mao mei mo moe mok mu nam ng ngo
    oh oei ong ono oro ost ott pan pei poe poh pu qi qin qiu rai rao ray roe roh roy rui ruf ruh sah see seo sha
    she shi sim so soh son soo su sun tai tan tao tay teo toh tom tu udo uhl ung van vo voß wai wan wei wen wie
    wolf wong woo wu xia xie xu yan yao ye yeo yi yin yoo you yu yuan yun zeh zhu zou
    """)
)
"""Surnames of two and three letters that are common somewhere: with a number behind they look like codes."""


def name_words(subject: str) -> frozenset[str]:
    """Words of a subject's id that may be names: an EDF header gives "MCH-0234567 Haagse_Harry"."""
    words = _LETTERS.findall(subject)
    return frozenset(word for word in words if len(word) > 2 and word.lower() not in _VOCABULARY)


def marks(name: str, known: Collection[str] = ()) -> set[str]:
    """Sorts of things (`ingest.privacy.scrub.MARKS`) that a name holds, read with any sign for its underscores."""
    return {mark for sign in " -." for mark in removed(name, scrub(name.replace("_", sign), known))}


def is_code(name: str) -> bool:
    """True if a name identifies nobody: numbers, known words ("subject_01_rest") and short ones ("slp01a").

    Words of four letters or more that are not known, capitalised ones of three ("Max_2") and any with other letters
    than ASCII's may be a person's name, as may short words without a number and common short surnames; a date or six
    digits in a row may be one's birthday or case number.
    """
    words = [word for word in _LETTERS.findall(name) if word.lower() not in _VOCABULARY]
    if (
        any(_PERSONAL.fullmatch(word) or word.lower() in _SHORT_SURNAMES for word in words)
        or _LONG_NUMBER.search(name)
        or "date" in marks(name)
    ):
        return False
    return re.search(r"\d", name) is not None or all(len(word) == 1 for word in words)


def reveals(name: str, subject: str) -> bool:
    """True if a recording's name tells its subject's id: a word of the id is in it, or one of its numbers is."""
    numbers, of_subject = ({number.lstrip("0") for number in re.findall(r"\d+", text)} for text in (name, subject))
    return bool(numbers & of_subject) or any(word.lower() in name.lower() for word in name_words(subject))
