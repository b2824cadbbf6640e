"""A sample that no amplifier gives, in a file of every format: invalid, told by channel and time, in no result."""

import numpy as np
import pandas as pd
import pytest
from made_files import FORMATS, SFREQ, STEP, as_array, as_stamped_text, counts

import biosig
from biosig.reading import ADAPTERS, adapter_for, read
from ingest.cli.ingest import ingest

AT = 1234
SIZE = ("4e+03", "2e+03")
"""As told; the writer of GDF has a finer step."""


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_every_format(tmp_path, form):
    clean = read(FORMATS[form](tmp_path, counts()))
    planted = counts()
    planted[1, AT] = 20_000  # 4 V
    path = FORMATS[form](tmp_path, planted)
    for lazy in (False, True):
        recording = read(path, lazy=lazy)
        (stream,) = clean.streams if len(recording.streams) == 1 else [clean.streams[-1]]
        marked = recording.streams[-1]
        row = marked.n_chans - 1
        assert marked.invalid.tolist() == [*stream.invalid.tolist(), [row, AT, AT + 1]]
        added = [note for note in recording.notes if note not in clean.notes]
        name = recording.channels[-1].source_name
        assert any(f"1 sample of '{name}' from {AT / SFREQ:g} s ({SIZE[form == 'gdf']} mV)" in note for note in added)
    assert not any("sensor" in note for note in clean.notes)
    assert ingest((path,), out=tmp_path / "out", workers=1, recording_names="keep") == 0
    (stored,) = biosig.open_shards(tmp_path / "out")
    values = stored.read().streams[-1].physical()
    assert np.isnan(values[row, AT])
    assert np.nanmax(np.abs(values)) < 10


@pytest.mark.parametrize(
    ("form", "size"), [("array", 1e30), ("text", 1e30), ("fif", 1e40), ("array", 1e40), ("xdf", 1e40)]
)
def test_numbers_beyond_any_signal_and_beyond_float32(tmp_path, form, size):
    clean = read(FORMATS[form](tmp_path, counts()))
    x = counts().astype(float)
    x[0, 777] = size / STEP
    recording = read(FORMATS[form](tmp_path, x))
    assert recording.streams[0].invalid.tolist() == [[0, 777, 778]]
    assert not recording.streams[0].valid()[0, 777]
    notes = [note for note in recording.notes if "sensor" in note]
    assert len(notes) == 1
    assert "1 sample of 'V1' from 7.77 s" in notes[0]
    assert clean.notes == () or "sensor" not in " ".join(clean.notes)


def test_interpolation_does_not_spread_it(tmp_path):
    x, stamps = counts(), np.round(np.arange(3000) / SFREQ + np.random.default_rng(1).uniform(-0.004, 0.004, 3000), 6)
    x[1, AT] = 20_000
    grid = {"sfreq": SFREQ, "longest_gap": 0.015}
    recording = read(as_stamped_text(tmp_path, x, stamps, regularise=grid))
    assert np.nanmax(np.abs(recording.streams[0].physical())) < 10
    assert any(
        f"1 of the values of 'V2', so they are invalid; the first is in row {AT + 2} at" in n for n in recording.notes
    )


def test_every_adapter_has_a_format(tmp_path):
    made = set()
    for form, make in FORMATS.items():
        (tmp_path / form).mkdir()
        made.add(adapter_for(make(tmp_path / form, counts())).name)
    assert made == set(ADAPTERS)


def test_the_note_names_recording_channel_and_time_and_the_clean_file_has_none(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    as_array(tmp_path / "in", counts()).rename(tmp_path / "in" / "clean.npy")
    x = counts().astype(float)
    x[0, AT] = 1e30 / STEP
    as_array(tmp_path / "in", x).rename(tmp_path / "in" / "big.npy")
    assert ingest((tmp_path / "in",), out=tmp_path / "out", workers=1, recording_names="keep") == 0
    printed = capsys.readouterr().out
    sentence = "No sensor gives these values, so they are invalid: 1 sample of 'V1' from 12.34 s (1e+30 mV)."
    assert f"note on 1 recording (big): {sentence}" in " ".join(printed.split())
    notes = pd.read_parquet(tmp_path / "out" / "notes.parquet")
    assert notes[notes["note"].str.contains("sensor")].to_numpy().tolist() == [["big", sentence]]
    valid = {stored.id: stored.read().streams[0].valid() for stored in biosig.open_shards(tmp_path / "out")}
    assert valid["clean"].all()
    assert np.argwhere(~valid["big"]).tolist() == [[0, AT]]
