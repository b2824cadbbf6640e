"""Notes of an ingest name the recordings that they are about: the first on the screen, all in a table."""

import shutil

import mne
import numpy as np
import pandas as pd
import pytest

from ingest.cli.ingest import ingest


@pytest.fixture
def sessions(tmp_path):
    """Five EEGs, each with an electrode that nobody knows."""
    folder = tmp_path / "eeg"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(5):
        info = mne.create_info(["Cz", "Foo"], 100.0, "eeg")
        raw = mne.io.RawArray(rng.normal(0, 2e-5, (2, 1000)), info, verbose=False)
        raw.save(folder / f"night{number}_eeg.fif", verbose=False)
    return folder


def test_notes_name_their_recordings(sessions, tmp_path, capsys):
    out = tmp_path / "out"
    assert ingest((sessions,), out=out, recording_names="keep") == 0
    table = pd.read_parquet(out / "notes.parquet")
    about = table[table["note"].str.contains("Foo")]
    assert sorted(about["recording"]) == [f"night{number}_eeg" for number in range(5)]
    text = " ".join(capsys.readouterr().out.split())
    assert "note on 5 recordings (night0_eeg, night1_eeg, night2_eeg, …): No electrode position is known for " in text
    assert "notes.parquet" in text


def test_notes_of_an_earlier_run_stay_in_the_table(sessions, tmp_path, capsys):
    out, last = tmp_path / "out", sessions / "night4_eeg.fif"
    shutil.move(last, tmp_path / last.name)
    assert ingest((sessions,), out=out, recording_names="keep") == 0
    shutil.move(tmp_path / last.name, last)
    capsys.readouterr()
    assert ingest((sessions,), out=out, recording_names="keep", resume=True) == 0
    assert "note on 1 recording (night4_eeg): No electrode position" in " ".join(capsys.readouterr().out.split())
    assert len(set(pd.read_parquet(out / "notes.parquet")["recording"])) == 5
