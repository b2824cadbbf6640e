from dataclasses import replace

import numpy as np
import pytest

from biosig.errors import UsageError
from biosig.recording import Annotation, Channel, Recording, Source, Stream, Subject
from ingest.privacy.deidentify import Deidentifier, deidentify
from ingest.privacy.name_patterns import is_code, name_words, reveals
from ingest.privacy.pseudonyms import Pseudonyms, load_key

KEY = "00112233445566778899aabbccddeeff"


def how(**options):
    return Deidentifier(Pseudonyms(bytes.fromhex(KEY)), **options)


def recording(name="rec1", subject=None, channels=("II",), onset=0.0, **fields):
    rows = tuple(Channel(label, label, "misc", "mV") for label in channels)
    stream = Stream(100.0, rows, np.zeros((len(rows), 10), np.int16), np.float64(1), np.float64(0), onset=onset)
    return Recording(name, [stream], subject, source=Source("a/path/rec1.hea", "wfdb", "00"), **fields)


def test_subject_and_path_become_pseudonyms_that_agree_under_one_key():
    first = deidentify(recording(subject=Subject("Jane 17", 60.0, "female")), "ward/rec1", how())
    other = deidentify(recording(subject=Subject("Jane 17")), "ward/rec2", how())
    assert first.subject.id == other.subject.id
    assert (first.subject.age, first.subject.sex) == (60.0, "female")
    assert first.source.path != other.source.path
    assert "Jane" not in repr(first) + repr(first.subject) + repr(first.source)
    another_key = Deidentifier(Pseudonyms(b"another key of 16 bytes"))
    assert deidentify(recording(subject=Subject("Jane 17")), "ward/rec1", another_key).subject.id != first.subject.id


def test_recordings_without_a_subject_are_subjects_of_their_own():
    assert deidentify(recording(), "a/rec1", how()).subject.id != deidentify(recording(), "b/rec1", how()).subject.id


@pytest.mark.parametrize(
    ("name", "subject", "hidden"),
    [
        ("00001_lr", "15709", False),
        ("00001_lr", "1", True),
        ("Mustermann_1", "4711 Max_Mustermann", True),
        ("sleep_2013-05-24", "", True),
        ("20130524_night", "", True),
        ("3000063", "", True),
        ("S001R04", "", False),
        ("Mustermann_Max", "", True),
        ("EEG_1994_03_12", "", True),
    ],
)
def test_names_that_tell_something_are_hashed(name, subject, hidden):
    found = deidentify(recording(name, Subject(subject)), f"root/{name}", how())
    assert (found.id != name) == hidden
    assert deidentify(recording(name), f"root/{name}", how(recording_names="keep")).id == name
    assert len(deidentify(recording(name), f"root/{name}", how(recording_names="hash")).id) == 16


@pytest.mark.parametrize("rule", ["auto", "keep", "hash"])
def test_an_id_that_needs_its_folder_is_hashed(rule):
    hidden = deidentify(recording("Mustermann/rec1"), "ward/Mustermann/rec1", how(recording_names=rule))
    assert len(hidden.id) == 16


@pytest.mark.parametrize(
    "name",
    [
        "00001_lr",
        "S001R04",
        "bidmc_01",
        "subject_01",
        "rec1",
        "a01",
        "slp01a",
        "SC4001EC",
        "HR00001",
        "100",
        "ecg",
        "p1_run-2_rest",
    ],
)
def test_names_that_are_codes(name):
    assert is_code(name)


@pytest.mark.parametrize(
    "name",
    [
        "Mustermann_Max",
        "mustermann1",
        "Max_1",
        "王伟_1",
        "Åse1",
        "MM",
        "12_03_94",
        "rec_2020_1_31",
        "sleep_24_May_2013",
        "1994.03.12",
        "a123456",
    ],
)
def test_names_that_may_be_a_persons_or_a_days(name):
    assert not is_code(name)


def test_words_of_a_pseudonymous_subject_stay_in_texts():
    assert name_words("sleep-EEG_01 sinus_03 stage-2 Haagse_Harry") == {"Haagse", "Harry"}
    before = recording(
        subject=Subject("sleep-EEG_01"), channels=("EEG Fpz-Cz",), annotations=[Annotation(0.0, 0.0, "Sleep stage W")]
    )
    after = deidentify(before, "rec1", how())
    assert (after.ch_names, after.annotations[0].label) == (["EEG Fpz-Cz"], "Sleep stage W")


def test_an_age_above_89_is_90():
    ages = [
        deidentify(recording(subject=Subject("a", age)), "rec1", how()).subject.age for age in (None, 89.9, 90.0, 97.0)
    ]
    assert ages == [None, 89.9, 90.0, 90.0]
    assert deidentify(recording(subject=Subject("a", 97.0)), "rec1", how()).notes == (
        "The subject is older than 89: kept as 90.",
    )


def test_history_and_units_name_nobody():
    before = recording(
        subject=Subject("Mustermann"),
        notes=("Left out, as the recipe asks: 'Mustermann3', 'Muse-1234567'.",),
        history=(
            "left out channels that were not asked for: 'Mustermann3', 'Muse-1234567 12.03.1994'",
            "eeg: 100000 Hz to 250 Hz",
        ),
    )
    stream = before.streams[0]
    odd = Channel("II", "II", "misc", "Dr. Weber")
    after = deidentify(replace(before, streams=[replace(stream, channels=(odd,))]), "rec1", how())
    assert after.history == (
        "left out channels that were not asked for: '[name]3', 'Muse-[number] [date]'",
        "eeg: 100000 Hz to 250 Hz",
    )
    assert after.notes == ("Left out, as the recipe asks: '[name]3', 'Muse-[number]'.",)
    assert after.channels[0].unit == "Dr. [name]"


def test_free_texts_are_scrubbed_and_a_note_says_so():
    before = recording(
        subject=Subject("MCH-02 Haagse_Harry"),
        report="Vom 12.03.1994, Dr. Meier: Sinusrhythmus, QT 400 ms",
        annotations=[Annotation(0.0, 0.0, "Harry moved"), Annotation(0.05, 0.0, "65281"), Annotation(0.05, 0, "N")],
        labels={"dx": ["426783006"], "comment": "seen on 3/4/2001", "visit": "2001-04-03", "n": 123456},
        session="2001-04-03",
    )
    after = deidentify(before, "rec1", how(asked=frozenset(["visit"])))
    assert after.report == "Vom [date], Dr. [name]: Sinusrhythmus, QT 400 ms"
    assert [a.label for a in after.annotations] == ["[name] moved", "65281", "N"]
    assert after.labels == {"dx": ["426783006"], "comment": "seen on [date]", "visit": "2001-04-03", "n": 123456}
    assert len(after.session) == 16
    assert after.notes == ("Taken out of the report, events or labels and marked there: dates, names.",)
    assert before.report.startswith("Vom 12")
    kept = deidentify(before, "rec1", how(texts=False))
    assert kept.report == before.report
    assert kept.annotations == before.annotations


def test_one_text_under_two_rules():
    before = recording(report="426783006", labels={"dx": ["426783006"]})
    after = deidentify(before, "rec1", how())
    assert (after.report, after.labels) == ("[number]", {"dx": ["426783006"]})


def test_notes_and_channels_name_no_file_person_or_device():
    before = recording(
        subject=Subject("Mustermann"),
        channels=("Muse-1234567 A", "Muse-7654321 A", "V1"),
        notes=(
            "Channel 'Muse-1234567 A' has no known position.",
            "mustermann_ekg.dat holds 123456 bytes; rec1.hea says otherwise.",
            "MNE: cannot read /home/mustermann/x.vhdr",
            "Mustermann was typed as the unit.",
        ),
    )
    after = deidentify(before, "rec1", how())
    assert after.ch_names == ["Muse-[number] A", "Muse-[number] A 2", "V1"]
    assert [c.source_name for c in after.channels] == after.ch_names
    assert after.notes == (
        "Channel 'Muse-[number] A' has no known position.",
        "….dat holds 123456 bytes; rec1.hea says otherwise.",
        "[name] was typed as the unit.",
    )
    assert "….hea says" in deidentify(before, "rec1", how(recording_names="hash")).notes[1]


def test_seconds_since_1970_are_a_date():
    before = recording(onset=1.6e9, annotations=[Annotation(1.6e9 + 0.05, 0.0, "N")])
    after = deidentify(before, "rec1", how())
    assert after.streams[0].onset == 0.0
    assert after.annotations[0].onset == pytest.approx(0.05)
    assert deidentify(recording(onset=3600.0), "rec1", how()).streams[0].onset == 3600.0


def test_the_key_is_in_a_file_or_in_a_variable(tmp_path, monkeypatch):
    made, place = load_key(None, tmp_path / "out")
    assert place == str(tmp_path / "out.key")
    assert load_key(None, tmp_path / "out")[0] == made
    monkeypatch.setenv("BIOSIG_KEY", KEY)
    assert load_key(None, tmp_path / "out") == (bytes.fromhex(KEY), "the variable BIOSIG_KEY")
    (tmp_path / "other").write_text(KEY[::-1] + "\n")
    assert load_key(tmp_path / "other", tmp_path / "out")[0] == bytes.fromhex(KEY[::-1])
    monkeypatch.setenv("BIOSIG_KEY_FILE", str(tmp_path / "other"))
    with pytest.raises(UsageError, match="Both BIOSIG_KEY and BIOSIG_KEY_FILE"):
        load_key(None, tmp_path / "out")
    monkeypatch.delenv("BIOSIG_KEY")
    assert load_key(None, tmp_path / "out")[0] == bytes.fromhex(KEY[::-1])
    monkeypatch.setenv("BIOSIG_KEY_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="does not exist"):
        load_key(None, tmp_path / "out")
    monkeypatch.delenv("BIOSIG_KEY_FILE")
    monkeypatch.setenv("BIOSIG_KEY", "a word")
    with pytest.raises(UsageError, match="variable BIOSIG_KEY holds no key") as refused:
        load_key(None, tmp_path / "out")
    assert "a word" not in str(refused.value)


def test_reveals():
    assert reveals("S001R04", "S001")
    assert reveals("ecg_0017", "17")
    assert not reveals("ecg_0018", "17")
    assert reveals("Subject03_1", "23 Subject3")
    assert not reveals("Subject03_1", "23 Subject4")
    assert not reveals("S001R04", "")
