"""Parts of a channel's name in a file: its kind, its electrode, its reference electrode.

Files write the same electrode as "Fp1.", "EEG FP1-REF", "FP1-LE" or "fp1"; this module takes such names apart and
leaves it to `biosig.electrodes.locate` to look the parts up.
"""

from __future__ import annotations

import re

_PREFIX = re.compile(
    r"^(?P<word>EEG|SEEG|ECOG|ECG|EKG|EOG|EMG|PPG|PLETH|RESP|POL|ACC|TEMP|DIG|REF_EEG)(?=$|[\s_:.\-(])[\s_:.\-]?[\s_:.]*",
    re.I,
)

_PREFIX_KIND = {
    "EEG": "eeg", "ECG": "ecg", "EKG": "ecg", "EOG": "eog", "EMG": "emg", "PPG": "ppg", "PLETH": "ppg", "RESP": "resp",
    "ACC": "acc", "TEMP": "temp", "DIG": "stim", "REF_EEG": "ref",
}  # fmt: skip

_COMMON_REFERENCE = re.compile(
    r"[\s_\-\N{EN DASH}/:]+"
    r"(REF\d*|REFERENCE|LE|LER|RE|AVG|AVE|AV|AR|CAR|AVERAGE|\(?A1\+?A2\)?(/2)?|\(?M1\+?M2\)?(/2)?|LM|GND)$",
    re.I,
)
"""References that are not a single electrode: linked ears or mastoids, the average, or one that is just called so."""

_BIPOLAR = re.compile(r"\s*[-\N{EN DASH}\N{MINUS SIGN}/:]\s*")

_WORDS: tuple[tuple[str, str], ...] = (
    ("stim", r"STI\d*|STATUS|D?TRIG(GER)?|EVENT|MARKER|ANNOTATIONS?"),
    ("eog", r"[LRHVI]?EOG[LRHV]?|(LOC|ROC|E[12])(?=-[AM][12])|LOC|ROC"),
    ("emg", r"EMG|CHIN\d?|SUBMENTAL|TIBIALIS"),
    ("ppg", r"PLETH(YSMOGRAM)?|PPG|BVP|PHOTOPLETHYSMOGRAM|SPO2 (WAVE(FORM)?|PLETH)|IR PPG|RED PPG"),
    ("spo2", r"SPO2|SAO2|OSAT"),
    ("resp", r"RESP(IRATION)?|RSP|AIRFLOW|NASAL|THOR(AX)?|THORACIC|ABDO(MEN)?|ABDOMINAL|THO RES|ABDO RES"),
    ("abp", r"ABP|ART|IBP|BP|AOBP|FINAPRES|ABP(MEAN|SYS|DIAS)"),
    ("cvp", r"CVP"),
    ("acc", r"ACC(EL)?(EROMETER)?|ACCX|ACCY|ACCZ"),
    ("temp", r"TEMP(ERATURE)?"),
    ("ecg", r"F?ECG\d*|EKG\d*|MCL|V"),
    ("eeg", r"EEG\d*"),
)
_KIND_WORDS = tuple((kind, re.compile(rf"(?<![A-Z])({words})(?![A-Z])")) for kind, words in _WORDS)

_SITES = (
    ("finger", r"FINGER(TIP)?|FING"),
    ("wrist", r"WRIST"),
    ("ear", r"EAR(LOBE)?"),
    ("forehead", r"FOREHEAD"),
    ("toe", r"TOE"),
)
_SIDES = (("right", r"RIGHT|R"), ("left", r"LEFT|L"))
_LIGHTS = (("IR", r"IR|INFRARED"), ("red", r"RED"), ("green", r"GREEN|GRN"), ("blue", r"BLUE"))


def split_prefix(name: str) -> tuple[str | None, str]:
    """The kind that a leading word names ("EEG Fp1" → "eeg", "POL Fp1" → None), and the rest of the name."""
    name = name.strip()
    found = _PREFIX.match(name)
    if found is None:
        return None, name
    return _PREFIX_KIND.get(found["word"].upper()), name[found.end() :]


def parts(name: str) -> tuple[str, str | None]:
    """Electrode and reference electrode of an EEG-like name without prefix.

    ``"Fp1-REF"`` → ("Fp1", None); ``"F3-C3"`` → ("F3", "C3"); ``"(C4-A1)"`` → ("C4", "A1"). A running number that
    readers append to repeated names ("T8-P8-0") is left out.
    """
    bare = name.strip().strip("()[]").strip()
    bare = _COMMON_REFERENCE.sub("", bare)
    pieces = [piece for piece in _BIPOLAR.split(bare) if piece]
    if len(pieces) == 3 and pieces[2].isdigit():
        pieces.pop()
    if len(pieces) == 2 and not pieces[1].isdigit():
        return pieces[0], pieces[1]
    return (pieces[0], None) if len(pieces) in (1, 2) else (bare, None)


def fold(name: str) -> str:
    """The form in which names are compared: upper case, no blanks, underscores, trailing dots or plus signs."""
    return re.sub(r"[\s_]", "", name).upper().rstrip(".+*")


def ecg_lead(name: str) -> str:
    """The lead in an ECG channel's name, folded: "ECG lead II", "Lead_II", "ECGII" → "II"."""
    return re.sub(r"^((ECG|EKG)-?)?(LEAD-?)?:?(?=.)", "", fold(_COMMON_REFERENCE.sub("", name)))


def ppg_site(name: str) -> str:
    """The site, side and colour that a PPG channel's name gives: "PPG_IR wrist L" → "wrist left IR"; else "finger"."""
    words = re.sub(r"[^A-Z]+", " ", name.upper())
    found = [
        next((word for word, pattern in choices if re.search(rf"\b({pattern})\b", words)), "")
        for choices in (_SITES, _SIDES, _LIGHTS)
    ]
    site = found[0] or "finger"
    side = "" if site == "forehead" else found[1]
    return " ".join(word for word in (site, side, found[2]) if word)


def kind_from_words(name: str) -> str | None:
    """The kind that words within the name give ("EOG horizontal", "Resp oro-nasal", "Event marker"), or None."""
    text = re.sub(r"[_.]+", " ", name).upper().strip()
    return next((kind for kind, words in _KIND_WORDS if _says(kind, words, text)), None)


_AUXILIARY = re.compile(
    r"[XYZ]|[VAPD][XYZ]|(TARGET|CURSOR|GAZE|PUPIL|EYE|EYES|HAND|HEAD|MOUSE|JOYSTICK|STICK|POS|POSITION|VEL|VELOCITY"
    r"|SPEED|ACC|ACCEL|ACCELERATION|ACCELEROMETER|GYRO|GYROSCOPE|MAG|MAGNETOMETER|QUAT|QUATERNION|ANGLE|ROTATION|FORCE"
    r"|TORQUE|PRESSURE|VALID|VALIDITY|CONFIDENCE|QUALITY|TIME|TIMESTAMP|CLOCK|COUNTER|COUNT|PACKET|BATTERY|BUTTON"
    r"|FIXATION|SACCADE|BLINK|LIGHT|PHOTO|PHOTODIODE|AUDIO|SOUND|MIC|MICROPHONE|AUX|AIN|ANALOG|DIGITAL)"
)


def is_auxiliary(name: str) -> bool:
    """True if a word of the name is of movement, gaze, time or a device's state ("vx", "targetPosX", "EyeX")."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
    whole = "".join(words)
    return any(_AUXILIARY.fullmatch(word.upper()) for word in (*words, whole) if len(word) > 2 or word == whole)


_ECG_WORDS = re.compile(r"(?<![A-Z])(F?ECG|EKG|MCL|LEAD)", re.I)


def names_ecg(name: str) -> bool:
    """True if the name says "ECG" or "lead", beside the lead's own name, which may stand for much else."""
    return bool(_ECG_WORDS.search(name))


def _says(kind: str, words: re.Pattern[str], text: str) -> bool:
    # an ECG or EEG word among others ("3Hz +5/-5 V") says little: only as the whole name or its first word
    return bool(words.match(text) if kind in ("ecg", "eeg") and text != "V" else words.search(text))
