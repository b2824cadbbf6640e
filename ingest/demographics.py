"""Age and sex as sources write them, in years and as "female" or "male"; other texts give None."""

from __future__ import annotations

import re
from typing import Literal

AgeUnit = Literal["years", "months", "weeks", "days"]

_SEXES = {
    **dict.fromkeys(("f", "female", "woman", "w", "weiblich"), "female"),
    **dict.fromkeys(("m", "male", "man", "männlich"), "male"),
}
_AGE = re.compile(
    r"\s*[>≥]?\s*(?P<number>\d+(?:[.,]\d+)?)\s*\+?\s*"
    r"(?:(?P<years>y|yrs?|years?|a)|(?P<months>m|mos?|months?)|(?P<weeks>w|wks?|weeks?)|(?P<days>d|days?))?\s*",
    re.IGNORECASE,
)
_PER_YEAR = {"years": 1.0, "months": 12.0, "weeks": 365.25 / 7, "days": 365.25}
NOTHING = re.compile(r"\W*(unknown|none|n/?a|nan|null|not available|\?*)\W*", re.IGNORECASE)
"""Texts that sources write for an unknown value."""

OLDEST_AGE_KEPT = 89.0
"""HIPAA's Safe Harbor (45 CFR 164.514(b)(2)(i)(C)) folds every age above 89 into one class;
sources write it as 90+, 89+ (BIDS), > 89 or 300 (PTB-XL)."""


def note_on_age(text: object) -> list[str]:
    """The sentence to add where `parse_age` turned a class of ages into one number."""
    folded = parse_age(text) == OLDEST_AGE_KEPT + 1 and not re.fullmatch(r"\s*90(\.0*)?\s*", str(text))
    return [f"The source's age '{str(text).strip()}' means over 89: kept as 90."] if folded else []


def notes_on_unread(age: tuple[object, float | None], sex: tuple[object, str | None] = ("", None)) -> list[str]:
    """Sentences on age and sex that a file gives and that are not understood, without quoting them.

    Parameters
    ----------
    age, sex : tuple
        The file's text, which may be empty, and the value that was read from it.
    """
    facts = (("age", *age), ("sex", *sex))
    return [
        f"The header's {what} is not in a form that is understood: left out."
        for what, text, value in facts
        if value is None and text is not None and not NOTHING.fullmatch(str(text).strip())
    ]


def parse_sex(text: object) -> str | None:
    """Turn "F", "Female", "m", … into "female" or "male"; None for anything else ("Unknown", "x", empty)."""
    return _SEXES.get(str(text).strip().lower())


def parse_age(text: object, unit: AgeUnit = "years") -> float | None:
    """Age in years from "63", "61,5", "> 89", "63 years", "006M" or a number; None for others, or outside 0 … 130.

    Parameters
    ----------
    text : object
        As the source writes it. PTB-XL and other de-identified sets write 300 for "over 89", BIDS "89+"; these and
        "> 89" become 90.
    unit : {"years", "months", "weeks", "days"}
        Of a number that stands without one.
    """
    match = _AGE.fullmatch(str(text))
    if match is None:
        return None
    stated = next((name for name in _PER_YEAR if match[name]), unit)
    age = float(match["number"].replace(",", ".")) / _PER_YEAR[stated]
    if age == 300 or (age == OLDEST_AGE_KEPT and re.search("[>+]", str(text))):
        return OLDEST_AGE_KEPT + 1
    return age if age <= 130 else None
