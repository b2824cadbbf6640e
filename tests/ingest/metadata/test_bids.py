import json
import shutil

import mne
import numpy as np
import pytest

import biosig
from biosig import samples
from biosig.errors import DataError, UsageError
from biosig.recording import Annotation
from ingest.cli.ingest import ingest

EDF = samples.path("eegmmidb") / "S001R04.edf"
LANDMARKS = {"NAS": [1.0, 105.0, 2.0], "LPA": [-75.0, 3.0, 1.0], "RPA": [77.0, -2.0, -1.0]}
ELECTRODES = {"Fz": (-2.0, 60.0, 95.0), "Cz..": (1.0, -8.0, 120.0), "PZ..": (0.0, -65.0, 95.0)}


@pytest.fixture
def bids(tmp_path):
    """Two subjects of eegmmidb as a BIDS set; `write` adds or replaces a table or JSON file."""
    root = tmp_path / "set"

    def write(name, content):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, dict):
            path.write_text(json.dumps(content))
        else:
            path.write_text("\n".join("\t".join(map(str, row)) for row in content) + "\n")
        return path

    write("dataset_description.json", {"Name": "set", "BIDSVersion": "1.9.0"})
    write(
        "participants.tsv", [("participant_id", "age", "sex", "hand"), ("sub-01", 31, "2", "R"), ("sub-03", 9, 1, "L")]
    )
    write("participants.json", {"sex": {"Levels": {"1": "male", "2": "female"}}})
    for subject in ("01", "02"):
        folder = root / f"sub-{subject}" / "ses-a" / "eeg"
        folder.mkdir(parents=True)
        shutil.copy(EDF, folder / f"sub-{subject}_ses-a_task-fists_run-2_eeg.edf")
    return write


def read(write, subject="01", **options):
    root = write("README", {}).parent
    return biosig.read(root / f"sub-{subject}/ses-a/eeg/sub-{subject}_ses-a_task-fists_run-2_eeg.edf", **options)


def test_names_and_participants(bids):
    bids("sub-01/sub-01_sessions.tsv", [("session_id", "acq_time", "stage"), ("ses-a", "2020-01-02T03:04:05", 2)])
    recording = read(bids)
    assert (recording.subject.id, recording.subject.age, recording.subject.sex) == ("sub-01", 31, "female")
    assert recording.session == "a"
    assert recording.labels == {"task": "fists", "run": "2", "hand": "R", "stage": 2}
    assert "Not kept as labels, for privacy: acq_time." in recording.notes
    stranger = read(bids, "02")
    assert (stranger.subject.id, stranger.subject.age) == ("sub-02", None)
    assert "The set's participants table has no row for it." in stranger.notes
    assert recording.content_hash == biosig.read(EDF).content_hash


def test_ages_of_infants(bids):
    bids("participants.tsv", [("participant_id", "age"), ("sub-01", 18)])
    bids("participants.json", {"age": {"Units": "months"}})
    assert read(bids).subject.age == 1.5


def test_channels_change_kind_and_bad_ones_are_invalid(bids):
    old = biosig.read(EDF)
    rows = [("name", "type", "units", "status")]
    rows += [(c.source_name, "EEG", "uV", "good") for c in old.channels[:-1]]
    rows[1] = (old.channels[0].source_name, "EOG", "uV", "good")
    rows[4] = (old.channels[3].source_name, "EEG", "uV", "bad")
    bids("task-fists_channels.tsv", [*rows, ("gone", "MISC", "n/a", "n/a")])  # above the recording: it is inherited
    for lazy in (False, True):
        (stream,) = read(bids, lazy=lazy).streams
        assert [c.kind for c in stream.channels[:2]] == ["eog", "eeg"]
        assert stream.invalid.tolist() == [[3, 0, stream.n_times]]
        np.testing.assert_array_equal(stream.slice(0, 9).samples, old.streams[0].slice(0, 9).samples)
    notes = " ".join(read(bids).notes)
    assert "1 rows of the set's table of channels name no channel" in notes
    assert "1 channels are not in the set's table" in notes
    assert f"invalid throughout: {old.channels[3].source_name}" in notes


def electrodes(bids, places, **system):
    folder = "sub-01/ses-a/eeg/sub-01_ses-a"
    bids(f"{folder}_electrodes.tsv", [("name", "x", "y", "z"), *((name, *xyz) for name, xyz in places.items())])
    bids(f"{folder}_coordsystem.json", system)
    recording = read(bids)
    name_of = {"Fz..": "Fz", "Cz..": "Cz..", "Pz..": "PZ.."}  # the file's → the table's, in one of several spellings
    measured = {name_of[c.source_name]: c.position for c in recording.channels if c.position_source == "measured"}
    return measured, " ".join(recording.notes)


def test_electrodes_reach_the_head_frame_through_landmarks(bids):
    measured, _ = electrodes(
        bids,
        {**ELECTRODES, "Fp1.": ("n/a", "n/a", "n/a")},
        EEGCoordinateSystem="Other",
        EEGCoordinateUnits="mm",
        AnatomicalLandmarkCoordinates=LANDMARKS,
    )
    points = {name: np.array(xyz) / 1000 for name, xyz in LANDMARKS.items()}
    trans = mne.transforms.get_ras_to_neuromag_trans(points["NAS"], points["LPA"], points["RPA"])
    assert measured.keys() == ELECTRODES.keys()
    for name, xyz in ELECTRODES.items():
        np.testing.assert_allclose(measured[name], mne.transforms.apply_trans(trans, np.array(xyz) / 1000), atol=1e-12)


def test_electrodes_in_known_axes(bids):
    metres = {name: tuple(v / 1000 for v in xyz) for name, xyz in ELECTRODES.items()}
    assert electrodes(bids, metres, EEGCoordinateSystem="CapTrak", EEGCoordinateUnits="m")[0] == metres
    turned = {name: (y, -x, z) for name, (x, y, z) in metres.items()}
    assert electrodes(bids, turned, EEGCoordinateSystem="CTF", EEGCoordinateUnits="m")[0] == metres


@pytest.mark.parametrize(
    ("system", "unit", "reason"),
    [
        ("MNI152Lin", "mm", "no way is known from their coordinate system (MNI152Lin)"),
        ("CapTrak", "n/a", "their unit of length is not stated"),
        ("CapTrak", "m", "they do not lie on a head"),
    ],
)
def test_electrodes_that_cannot_be_placed_leave_the_template(bids, system, unit, reason):
    measured, notes = electrodes(bids, ELECTRODES, EEGCoordinateSystem=system, EEGCoordinateUnits=unit)
    assert not measured
    assert reason in notes


def test_events_join_those_of_the_file(bids):
    own = biosig.read(EDF).annotations
    rows = [("onset", "duration", "trial_type", "value", "sample")]
    rows += [(3.5, 1, "cue", 7, 560), (1.25, "n/a", "n/a", 3, 0), (9999, 1, "late", 1, 0), (4, 1, "n/a", "n/a", 0)]
    rows += [(5, 0.5, "BAD_blink", "n/a", 0)]
    bids("sub-01/ses-a/eeg/sub-01_ses-a_task-fists_run-2_events.tsv", rows)
    recording = read(bids)
    new = [a for a in recording.annotations if a not in own]
    assert new == [Annotation(1.25, 0, "3"), Annotation(3.5, 1, "cue/7"), Annotation(5, 0.5, "BAD_blink")]
    assert len(recording.annotations) == len(own) + 3
    assert not recording.streams[0].valid()[:, 800:880].any()
    assert recording.streams[0].valid()[:, :800].all()
    notes = " ".join(recording.notes)
    assert "1 of 4 annotations lie outside" in notes
    assert "1 rows of the table of events have no onset or no label" in notes
    assert "Not read of the set's table of events: sample." in notes


def test_tables_without_rows_and_tables_that_are_wrong(bids):
    events = "sub-01/ses-a/eeg/sub-01_ses-a_task-fists_run-2_events.tsv"
    bids(events, [("onset", "duration", "trial_type")])
    assert read(bids).annotations == biosig.read(EDF).annotations
    bids(events, [("onset", "duration", "trial_type"), ("soon", 1, "x")])
    with pytest.raises(DataError, match=r"_events\.tsv has 'soon' in column 'onset', row 2"):
        read(bids)
    bids(events, [("time", "trial_type"), (1, "x")])
    with pytest.raises(UsageError, match="has no column 'duration', 'onset'"):
        read(bids)
    bids(events, [("onset", "duration"), (1, 1)])
    assert "has neither trial_type nor value" in " ".join(read(bids).notes)
    (bids("README", {}).parent / "participants.json").write_text("{")
    with pytest.raises(DataError, match=r"participants\.json cannot be read as JSON"):
        read(bids)


def test_a_set_is_ingested_without_its_derivatives(bids, tmp_path, capsys):
    root = bids("README", {}).parent
    for aside in ("derivatives", "sourcedata"):
        shutil.copytree(root / "sub-01", root / aside / "sub-01")
    assert ingest((root,), out=tmp_path / "out", workers=1) == 0
    table = biosig.open_shards(tmp_path / "out").to_pandas()
    assert sorted(table["session"]) == ["a", "a"]
    assert table["subject"].nunique() == 2
    assert sorted(table["age"].dropna()) == [31]
    assert not table["subject"].str.contains("sub").any()
    assert "derivatives" in capsys.readouterr().out


def test_files_outside_of_a_set_stay_as_they_are(tmp_path):
    path = tmp_path / "sub-01_task-x_eeg.edf"
    shutil.copy(EDF, path)
    assert biosig.read(path).labels == {}
