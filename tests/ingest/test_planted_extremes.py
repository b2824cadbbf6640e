"""A sample that no amplifier gives, in a file of every format: invalid, told by channel and time, in no result."""

import numpy as np
import pytest
from made_files import FORMATS, SFREQ, counts

import biosig
from biosig.reading import ADAPTERS, adapter_for, read
from ingest.verbs import ingest

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
        told = [note for note in recording.notes if note not in clean.notes]
        name = recording.channels[-1].source_name
        assert any(f"1 sample of '{name}' from {AT / SFREQ:g} s ({SIZE[form == 'gdf']} mV)" in note for note in told)
    assert not any("sensor" in note for note in clean.notes)
    assert ingest((path,), out=tmp_path / "out", workers=1, recording_names="keep") == 0
    (stored,) = biosig.open_shards(tmp_path / "out")
    values = stored.read().streams[-1].physical()
    assert np.isnan(values[row, AT])
    assert np.nanmax(np.abs(values)) < 10


def test_every_adapter_has_a_format(tmp_path):
    made = set()
    for form, make in FORMATS.items():
        (tmp_path / form).mkdir()
        made.add(adapter_for(make(tmp_path / form, counts())).name)
    assert made == set(ADAPTERS)
