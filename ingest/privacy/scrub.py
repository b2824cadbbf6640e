"""Removal of names, dates and other identifiers from free text; a visible mark stays in the place of each.

The rules cover German, English and Swedish, the languages of PTB-XL's reports. They follow HIPAA's Safe Harbor
(45 CFR 164.514(b)(2)) where a pattern can: dates more exact than a year, names that stand behind a title or a key,
e-mail, web, network and postal addresses, telephone, record, case and serial numbers. A name that stands alone is not a
pattern: only those that the source itself gives as the subject's are found (`known`). Years alone, ages and measured
values stay.
"""

from __future__ import annotations

import re
from collections.abc import Collection

MARKS = ("email", "address", "time", "date", "name", "number")
"""Words that stand in brackets where a text was removed."""

_MONTH = (
    r"(?:jan(?:uary?|uari)?|jänner|feb(?:ruary?|ruari)?|mar(?:ch|s)?|mär(?:z)?|maerz|mrz|apr(?:il)?|mai|maj|june?|juni|"
    r"july?|juli|aug(?:ust|usti)?|sept?(?:ember)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?|"
    r"(?-i:May|MAY)|may(?!\s+[^\W\d_]))\b\.?"  # "leads 2 may be" is not a date
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_MONTH_NUMBER = r"(?:0?[1-9]|1[0-2])"
_YEAR = r"(?:19|20)\d\d"
_UNIT = r"\s*(?:[mµu]?[mvs]\b|hz|bpm|/min|%)"
_DATES = (
    rf"(?<!\d){_YEAR}\s?(?P<sep>[-./])\s?{_MONTH_NUMBER}\s?(?P=sep)\s?{_DAY}(?!\d)",
    rf"(?<!\d){_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[-+T_ ]?\d{{4,6}})?(?!\d)",
    # day first or month first; the year may have two digits, and some printers write colons
    rf"(?<![\w.,/-]){_DAY}\s?(?P<sep>[-./:])\s?{_DAY}\s?(?P=sep)\s?(?:{_YEAR}|'?\d\d)(?!\d|[.,]\d)",
    rf"(?<![\w.,/-]){_DAY}/{_MONTH_NUMBER},?\s+{_YEAR}\b",
    rf"(?<![\w.,]){_DAY}(?:st|nd|rd|th|:e|\.)?[\s-]*(?:of\s+)?{_MONTH}(?:,?[\s-]*(?:{_YEAR}|'?\d\d\b(?!{_UNIT})))?",
    rf"\b{_MONTH}\s*(?:{_DAY}(?:st|nd|rd|th)?\b(?!{_UNIT})(?:,?\s+{_YEAR})?|{_YEAR}\b|'?\d\d\b(?!{_UNIT}))",
    rf"(?<![\w.,/-])(?:{_MONTH_NUMBER}\s?[./-]\s?{_YEAR}|{_YEAR}-(?:0[1-9]|1[0-2]))(?![\d-])",
    rf"\b(?:am|vom|seit|den)\s+{_DAY}\.\s?{_MONTH_NUMBER}\.(?!\d)",
    rf"\b(?:am|vom|seit|den|on|since|until)\s+{_DAY}/{_DAY}(?![\d./])",
)
_TIMES = (
    r"(?<![\d:.,])(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d(?:[.,]\d+)?)?(?![\d:])(?:\s*(?:uhr\b|h\b|[ap]\.?m\b\.?))?",
    r"(?<![\d.,])(?:[01]?\d|2[0-4])(?:[.h][0-5]\d)?\s*(?:uhr\b|(?-i:am|pm|AM|PM)\b(?!\s+\d))",
    r"(?<=\bkl[ .])\s*(?:[01]?\d|2[0-4])(?:[.:][0-5]\d)?(?!\d)",
)

_HOUSE = r"\s+\d{1,4}(?:\s?(?-i:[a-h]))?\b(?!\s*(?:mm|cm|ms|mv|%|[-/.,]\d))"
_OF = r"(?:(?:de|du|des|del|della|di|da|la|las|los|l['’])\s*){0,3}"
_ADDRESSES = (
    r"\b(?:https?|ftp|s?ftp|file)://[^\s<>\"']+|\bwww\.[^\s<>\"']+",
    r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?::\d{2,5})?(?![\d.])",
    r"(?<![\w:])(?=[\da-f:]*[a-f\d]:)(?:[\da-f]{1,4}:){7}[\da-f]{1,4}(?![\w:])",
    r"(?-i:\b[A-ZÄÖÜÅ][a-zäöüßå-]*)(?:stra(?:ß|ss)e|str\.|weg|platz|allee|gasse|gatan|vägen)" + _HOUSE,
    r"\b(?-i:[A-ZÄÖÜ][a-zäöüß]+(?:er)?)\s+(?-i:Stra(?:ß|ss)e|Str\.|Weg|Platz|Allee|Gasse)" + _HOUSE,
    r"\b\d{1,5}\s+(?:(?-i:[A-Z][a-z]+)\s+){1,3}(?-i:Street|St\.|Road|Rd\.?|Avenue|Ave\.?|Lane|Drive|Boulevard|Blvd\.?)(?!\w)",
    rf"\b\d{{1,4}}(?:\s?(?:bis|ter))?,?\s+(?:rue|avenue|boulevard|place|chemin|allée)\s+{_OF}(?-i:[A-ZÉ])[\w'’-]+",
    rf"(?-i:\b(?:Calle|C/|Avenida|Avda\.?|Plaza|Paseo|Via|Viale|Piazza|Corso))\s+{_OF}(?-i:[A-ZÁÉ])[\w'’-]+,?" + _HOUSE,
)

_CAPITAL = r"(?-i:[A-ZÀ-ÖØ-ÞŠŽČŁ])"
_INITIAL = rf"{_CAPITAL}\.-?"
_PARTICLE = r"(?:von|van|vom|zu|zum|zur|de|der|den|del|di|da|af|av|la|le|ter|ten|dos|el|al|bin|ibn)"
_FUNCTION_WORD = (
    r"(?:mit|ohne|und|oder|med|och|utan|with|without|and|or|in|im|ist|war|wurde|hat|har|är|was|is|has|who|die|der|den|"
    r"the|of|on|am|vom|to|zu|zur|zum|bei|för|på|som|nicht|not)\b"
)
_FINDING = (
    r"\w*(?:rhyth|rytm|block|infar|tachy|brady|fibrill|flimmer|flutter|hypertr|isch|normal|sinus|vorhof|extrasyst)"
)
_CAPITALISED = rf"{_CAPITAL}[\w'’-]+"
_FURTHER = rf"(?!{_FINDING})(?-i:[A-ZÀ-ÖØ-ÞŠŽČŁ][a-zß-öø-ÿšžčł'’]+(?:-\w+)?)\b"
_FIRST = rf"(?:(?:{_PARTICLE}\s+){{1,3}}{_CAPITALISED}|(?!{_FUNCTION_WORD})[^\W\d_][\w'’-]*)"
_REST = rf"(?:\s+(?:(?:{_INITIAL})+|(?:{_PARTICLE}\s+){{0,3}}{_FURTHER})){{0,3}}"
# "ms" are milliseconds, and "MR." may end a sentence on a mitral regurgitation.
_TITLE = (
    r"(?:dr|prof|professor|doktor|doctor|herrn?|frau|fru|fröken|mrs|"
    r"(?-i:Mr|Ms|Miss|mr(?=\.)|MR(?=\.\s[A-Z]{2})|(?:Hrn?|Fr|Med)(?=\.)))"
)
_NAMES = (
    rf"(?P<kept>(?>\b{_TITLE}\b\.?\s*(?:(?:{_TITLE}|med|phil|rer|nat|dent|h\.\s?c)\b\.?\s*){{0,6}}))(?<=[\s.])"
    rf"(?>(?:{_INITIAL}\s*)*){_FIRST}{_REST}",
    rf"(?P<kept>\b(?:name|vorname|nachname|patient(?:in)?|patientenname|untersucher(?:in)?|arzt|ärztin|physician|"
    rf"technician|operator|läkare|undersökare|(?-i:MTA))\s*:\s*)(?>(?:{_INITIAL}\s*)*){_CAPITALISED}"
    rf"(?:,?\s+(?:(?:{_INITIAL})+|(?:{_PARTICLE}\s+){{0,3}}{_FURTHER})){{0,3}}",
    rf"(?P<kept>\b(?:gez\.|signed(?:\s+by)?|sign\.|validiert\s+von|validated\s+by|reported\s+by|befundet\s+von)\s*:?\s*)"
    rf"(?>(?:{_INITIAL}\s*)*){_CAPITALISED}{_REST}",
)
_NUMBERS = (
    r"(?P<kept>\b(?:mrn|tel(?:efon|ephone)?|phone|fax|mobile?|handy|ssn|personnummer|pnr|fall-?(?:nummer|nr)|"
    r"case\s+(?:no|number)|pat(?:ienten|ient)?[-. ]*(?:nr|no|id|nummer))\b[.:#\s]*)\+?\(?\d[\d ()/.-]{2,}\d",
    r"(?P<kept>\b(?:s/n|sn|serial(?:\s+(?:no|number))?|seriennummer|ser\.?-?nr)\b[.:#\s]*)(?=[\w/-]*\d)[\w/-]{3,}",
    r"(?<![\w.,])(?:\+\d|\(?0\d)[\d ()/-]{5,}\d(?!\w)",  # telephone: with the country's or the town's code
    r"(?<![\w.,])\d{2,4}(?:-\d{2,4}){2,}(?!\w)",
    r"(?<!\d)(?<!\d[.,])\d{5,}(?:[-+/]\d+)*",
)


def _rules(patterns: dict[str, tuple[str, ...]]) -> list[tuple[str, str, re.Pattern[str]]]:
    """Mark, replacement of a match (its title or key stays), and the compiled pattern, in order."""
    rules = []
    for mark, sources in patterns.items():
        for source in sources:
            pattern = re.compile(source, re.IGNORECASE)
            rules.append((mark, ("\\g<kept>" if "kept" in pattern.groupindex else "") + f"[{mark}]", pattern))
    return rules


_RULES = _rules(
    {
        "email": (r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+",),
        "address": _ADDRESSES,
        "time": _TIMES,
        "date": _DATES,
        "name": _NAMES,
        "number": _NUMBERS,
    }
)

_EVENT_CODE = re.compile(r"(?:[A-Z][a-z]+/)?[A-Z]?\s*-?\d{1,8}")
"""Triggers as recorders write them ("65281", "Stimulus/S  5"): 24 bits at most, and no text around."""


def scrub(text: str, known: Collection[str] = (), numbers: bool = True) -> str:
    """`text` with a mark in place of each date, time of day, name behind a title, long number and address.

    Parameters
    ----------
    text : str
        A report or another free text.
    known : collection of str
        Words that are known to be the subject's names or numbers; they go wherever they stand.
    numbers : bool
        True if numbers go too; False for texts that hold codes (SNOMED's have nine digits).

    Returns
    -------
    str
        Text in which nothing was found is returned as it is.

    Examples
    --------
    >>> scrub("EKG vom 12.03.1994, Dr. Meier: Sinusrhythmus, QT 400 ms, V1-V6 unauffällig.")
    'EKG vom [date], Dr. [name]: Sinusrhythmus, QT 400 ms, V1-V6 unauffällig.'
    """
    if known:
        words = "|".join(sorted(map(re.escape, known), key=len, reverse=True))
        text = re.sub(rf"(?<![^\W\d_])(?:{words})(?![^\W\d_])", "[name]", text, flags=re.IGNORECASE)
    for mark, replacement, pattern in _RULES:
        if numbers or mark != "number":
            text = pattern.sub(replacement, text)
    return text


def scrub_label(label: str, known: Collection[str] = ()) -> str:
    """`scrub` for the text of an event, which technicians type; a bare trigger code is not a text and stays."""
    return label if _EVENT_CODE.fullmatch(label) else scrub(label, known)


def removed(before: str, after: str) -> list[str]:
    """Sorts of marks that `scrub` has set between two texts."""
    return [mark for mark in MARKS if after.count(f"[{mark}]") > before.count(f"[{mark}]")]
