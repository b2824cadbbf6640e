"""Names as real files write them resolve to channels with a place; what is not known is kept and placed nowhere."""

import csv
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import biosig.electrodes
from biosig.electrodes import VOCABULARY, channel_id, locate, make_channel, unplace_amplifier_inputs
from biosig.errors import DataError
from biosig.recording import KINDS, UNKNOWN, is_known

# fmt: off
EEGMMIDB = [
    "Fc5.", "Fc3.", "Fc1.", "Fcz.", "Fc2.", "Fc4.", "Fc6.", "C5..", "C3..", "C1..", "Cz..",
    "C2..", "C4..", "C6..", "Cp5.", "Cp3.", "Cp1.", "Cpz.", "Cp2.", "Cp4.", "Cp6.", "Fp1.",
    "Fpz.", "Fp2.", "Af7.", "Af3.", "Afz.", "Af4.", "Af8.", "F7..", "F5..", "F3..", "F1..",
    "Fz..", "F2..", "F4..", "F6..", "F8..", "Ft7.", "Ft8.", "T7..", "T8..", "T9..", "T10.",
    "Tp7.", "Tp8.", "P7..", "P5..", "P3..", "P1..", "Pz..", "P2..", "P4..", "P6..", "P8..",
    "Po7.", "Po3.", "Poz.", "Po4.", "Po8.", "O1..", "Oz..", "O2..", "Iz..",
]
# fmt: on
TWELVE_LEADS = ["I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6"]


def same(a, b):
    return np.array_equal(a, b, equal_nan=True)


def test_all_names_of_eegmmidb_resolve_to_different_places():
    channels = [make_channel(name, "uV") for name in EEGMMIDB]
    assert {c.kind for c in channels} == {"eeg"}
    assert {c.position_source for c in channels} == {"template"}
    assert len({c.position for c in channels}) == len({channel_id(c) for c in channels}) == 64
    assert [c.name for c in channels[:4]] == ["FC5", "FC3", "FC1", "FCz"]
    assert not any(is_known(c.reference) for c in channels)


@pytest.mark.parametrize("unit", ["mV", "mv", "", "uV"])
def test_twelve_leads_resolve_to_different_measurements(unit):
    channels = [make_channel(name, unit) for name in TWELVE_LEADS]
    assert {c.kind for c in channels} == {"ecg"}
    assert len({(c.position, c.reference) for c in channels}) == 12
    assert all(is_known(c.reference) for c in channels)
    assert [c.name for c in channels[3:6]] == ["aVR", "aVL", "aVF"]


def test_leads_are_means_of_electrodes():
    ra, la, ll = (np.array(locate(name, "ecg").position) for name in ("RA", "LA", "LL"))
    assert np.allclose(locate("I").position, la)
    assert np.allclose(locate("I").reference, ra)
    assert np.allclose(locate("aVR").reference, (la + ll) / 2, atol=1e-6)
    assert np.allclose(locate("V3").reference, (ra + la + ll) / 3, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "unit", "kind", "canonical"),
    [
        ("EEG FP1-REF", "uV", "eeg", "Fp1"),
        ("FP1-LE", "uV", "eeg", "Fp1"),
        ("EEG Fp1", "uV", "eeg", "Fp1"),
        ("POL Fp1", "uV", "eeg", "Fp1"),
        ("EEG Fz-AVG", "uV", "eeg", "Fz"),
        ("T3", "uV", "eeg", "T7"),
        ("EEG T6-Ref", "uV", "eeg", "P8"),
        ("EEG F3-A2", "uV", "eeg", "F3-A2"),
        ("EEG (C4-A1)", "mV", "eeg", "C4-A1"),
        ("T8-P8-0", "uV", "eeg", "T8-P8"),
        ("EEG Fp1-CPz", "uV", "eeg", "Fp1-CPz"),
        ("C3", "uV", "eeg", "C3"),
        ("C3", "mV", "ecg", "V3"),
        ("ECG lead II", "mV", "ecg", "II"),
        ("ECG I", "mV", "ecg", "I"),
        ("II+", "mV", "ecg", "II"),
        ("DII", "mV", "ecg", "II"),
        ("ML2", "mV", "ecg", "MLII"),
        ("MCL1", "mV", "ecg", "MCL1"),
        ("-aVR", "mV", "ecg", "-aVR"),
        ("vx", "", "ecg", "X"),
        ("LL-RA", "mV", "ecg", "LL-RA"),
        ("PLETH", "NU", "ppg", "finger"),
        ("SpO2 waveform", "", "ppg", "finger"),
        ("PPG_IR", "", "ppg", "finger IR"),
        ("PPG wrist left green", "", "ppg", "wrist left green"),
    ],
)
def test_names_of_the_field(name, unit, kind, canonical):
    channel = make_channel(name, unit)
    assert (channel.kind, channel.name, channel.source_name) == (kind, canonical, name)
    assert channel.position_source == "template"
    assert is_known(channel.position)


@pytest.mark.parametrize(
    ("name", "unit", "kind"),
    [
        ("V", "mV", "ecg"),  # a chest lead of a bedside monitor; nobody wrote down which
        ("MCL", "mV", "ecg"),
        ("ECG ECG", "mV", "ecg"),
        ("ECG1", "mV", "ecg"),
        ("FECG", "uV", "ecg"),
        ("RESP", "", "resp"),
        ("RESP", "pm", "misc"),  # the monitor's number, not the wave
        ("ABP", "mmHg", "abp"),
        ("CVP", "mmHg", "cvp"),
        ("SpO2", "%", "spo2"),
        ("HR", "bpm", "misc"),
        ("EOG horizontal", "uV", "eog"),
        ("E1-M2", "uV", "eog"),
        ("EMG submental", "uV", "emg"),
        ("Accelerometer_X", "mg", "acc"),
        ("Temp rectal", "DegC", "temp"),
        ("STI 014", "V", "stim"),
        ("Status", "Boolean", "stim"),
        ("C3", "", "misc"),  # an EEG electrode or IEC's name for V3
        ("X", "", "misc"),
        ("AI", "uV", "misc"),
        ("3Hz +5/-5 V", "V", "misc"),
        ("sine 8 Hz", "uV", "misc"),
        ("temporal", "uV", "misc"),
        ("II", "mmHg", "misc"),
        ("", "", "misc"),
    ],
)
def test_channels_without_a_known_place_keep_their_name(name, unit, kind):
    channel = make_channel(name, unit)
    assert (channel.kind, channel.name) == (kind, name)
    assert not is_known(channel.position)
    assert channel.position_source == "unknown"
    assert channel_id(channel) == -1


def test_given_kind_wins_over_the_guess():
    assert make_channel("C3", "uV", kind="ecg").name == "V3"
    assert make_channel("I", "", kind="misc").position_source == "unknown"
    assert make_channel("whatever", "", kind="ppg").name == "finger"
    with pytest.raises(DataError, match="nonsense"):
        make_channel("C3", "uV", kind="nonsense")


def test_measured_position_wins_over_the_template():
    place = (0.01, 0.02, 0.1)
    channel = make_channel("Cz", "uV", position=place)
    assert (channel.position, channel.position_source) == (place, "measured")
    assert make_channel("Cz", "uV", position=UNKNOWN).position_source == "template"
    assert make_channel("Cz", "uV", reference=place).reference == place


def test_bipolar_and_its_reverse_swap_position_and_reference():
    there, back = make_channel("F3-C3", "uV"), make_channel("C3-F3", "uV")
    assert (there.position, there.reference) == (back.reference, back.position)
    assert there.position == make_channel("F3", "uV").position
    half_known = make_channel("EEG F3-nose", "uV")
    assert (half_known.name, half_known.position) == ("F3-nose", there.position)
    assert not is_known(half_known.reference)


def test_inputs_of_an_amplifier_are_no_electrodes():
    names = ["A1", "A2", "A3", "B1", "C3", "F8", "EXG1", "Cz"]
    inputs = unplace_amplifier_inputs([make_channel(name, "uV", "eeg") for name in names])
    assert [c.name for c in inputs] == names
    assert [is_known(c.position) for c in inputs] == [False] * 7 + [True]
    electrodes = [make_channel(name, "uV", "eeg") for name in ("A1", "A2", "C3", "F8")]
    assert unplace_amplifier_inputs(electrodes) == electrodes
    measured = [make_channel(name, "uV", "eeg", position=(0.0, 0.0, 0.1)) for name in ("A1", "A3")]
    assert unplace_amplifier_inputs(measured) == measured


def test_template_is_in_the_head_frame():
    where = {name: np.array(locate(name, "eeg").position) for name in ("Cz", "C3", "C4", "Fpz", "Oz", "A1", "A2")}
    assert 0.09 < where["Cz"][2] < 0.15
    assert where["C4"][0] > 0 > where["C3"][0]
    assert where["Fpz"][1] > 0 > where["Oz"][1]
    assert np.abs(where["A1"] + where["A2"]).max() < 0.06  # the origin lies between the ears
    for name, place in where.items():
        assert 0.07 < np.linalg.norm(place) < 0.16, name


def test_left_is_the_mirror_of_right():
    left, right = locate("wrist left", "ppg"), locate("wrist right", "ppg")
    assert np.allclose(np.array(left.position) * (-1, 1, 1), right.position)
    assert same(locate("V4R", "ecg").position, np.array(locate("V4", "ecg").position) * (-1, 1, 1))


@given(st.sampled_from(VOCABULARY), st.randoms())
def test_case_does_not_matter(entry, random):
    kind, name = entry
    shuffled = "".join(random.choice((c.upper(), c.lower())) for c in name)
    plain, other = make_channel(name, "", kind), make_channel(shuffled, "", kind)
    assert plain.name == other.name == name
    assert VOCABULARY[channel_id(other)] == entry


@given(st.text(), st.text(max_size=5), st.sampled_from((None, *KINDS)))
def test_any_text_is_a_channel(name, unit, kind):
    channel = make_channel(name, unit, kind)
    assert channel.source_name == name
    assert channel.kind == (kind or channel.kind)
    assert (channel.position_source == "template") == is_known(channel.position)


@given(
    st.lists(
        st.sampled_from(["EEG ", "ECG", "-", "Fp1", "A1", "(", ")", "REF", "0", " ", "/", ":", "V1", "."]), max_size=6
    )
)
def test_any_pile_of_name_parts_is_a_channel(pieces):
    assert make_channel("".join(pieces), "uV").kind in KINDS


def test_every_row_of_the_tables_gives_its_source_and_no_name_is_there_twice():
    folder = Path(biosig.electrodes.__file__).parent
    for file in ("positions.csv", "aliases.csv"):
        rows = list(csv.DictReader((folder / file).open(encoding="utf-8")))
        assert all(row["source"] for row in rows)
        keys = [(row["kind"], (row.get("alias") or row["name"]).upper()) for row in rows]
        assert len(set(keys)) == len(keys)
    assert len(set(VOCABULARY)) == len(VOCABULARY)
    assert not any(math.isinf(axis) for kind, name in VOCABULARY for axis in locate(name, kind).position)


def test_tables_are_what_their_script_writes(tmp_path, monkeypatch):
    from tools import make_electrode_tables as make_tables

    committed = (make_tables.HERE / "positions.csv").read_text(encoding="utf-8")
    monkeypatch.setattr(make_tables, "HERE", tmp_path)
    make_tables.main()
    written = (tmp_path / "positions.csv").read_text(encoding="utf-8")
    for ours, theirs in zip(csv.reader(committed.splitlines()), csv.reader(written.splitlines()), strict=True):
        assert ours[:2] == theirs[:2]
        if ours[0] != "kind":
            numbers = np.array([[float(v or "nan") for v in row[2:8]] for row in (ours, theirs)])
            assert np.allclose(*numbers, atol=1e-5, equal_nan=True)


def test_importing_electrodes_imports_no_torch_and_no_mne():
    code = "import sys, biosig.electrodes; sys.exit('torch' in sys.modules or 'mne' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
