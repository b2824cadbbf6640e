import shutil

import numpy as np
import pytest

from biosig import samples
from biosig.errors import UsageError
from ingest.adapters.wfdb.adapter import WfdbAdapter
from ingest.cli.ingest import ingest
from ingest.cli.inspect import inspect

ECG = samples.path("ptbxl") / "records100" / "00000"


@pytest.fixture
def folder(tmp_path):
    for name in ("00001_lr", "00002_lr"):
        for suffix in (".hea", ".dat"):
            shutil.copy(ECG / f"{name}{suffix}", tmp_path)
    return tmp_path


def printed(capsys):
    return " ".join(capsys.readouterr().out.split())


def test_a_folder_tells_notes_and_what_would_be_refused(folder, capsys):
    header = folder / "00001_lr.hea"
    header.write_text(header.read_text().replace("/mV", "/uV").replace(" I\n", " Foo\n"))
    assert inspect(folder) == 0
    text = printed(capsys)
    assert "note on 1 of 2: No electrode position is known for 'Foo'" in text
    assert "ingest would refuse it: " in text
    assert "00001_lr.hea" in text


def test_a_reader_that_breaks_does_not_end_the_list(folder, capsys, monkeypatch):
    read = WfdbAdapter.read

    def breaks(self, path, **options):
        if "00001" in path.name:
            raise ZeroDivisionError("division by zero")
        return read(self, path, **options)

    monkeypatch.setattr(WfdbAdapter, "read", breaks)
    assert inspect(folder) == 1
    text = printed(capsys)
    assert "00002_lr ecg" in text
    assert "00001_lr.hea cannot be inspected (ZeroDivisionError: division by zero): please report it." in text


def test_too_short_for_a_patch_is_said_in_words(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("II\n0.1\n0.2\n0.3\n")
    (tmp_path / "biosig.yaml").write_text(
        "record: '(a)\\.csv'\nsignals: [{sfreq: 250, columns: {II: {kind: ecg, unit: mV}}}]\n"
    )
    assert inspect(tmp_path / "a.csv") == 0
    assert "sees nothing of ecg: 0.012 s are less than one patch of" in printed(capsys)


def test_a_mapping_of_other_files_is_refused_with_an_example(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("II\n0.1\n")
    mapping = tmp_path / "m.yaml"
    mapping.write_text("record: '(.+)/x\\.csv'\nsignals: [{sfreq: 250, columns: {II: {kind: ecg, unit: mV}}}]\n")
    wrong = rf"record '\(\.\+\)/x\\\.csv' matches none of the 2 files .*such as '{tmp_path.name}/a\.csv'"
    with pytest.raises(UsageError, match=wrong):
        inspect(tmp_path, mapping=mapping)
    with pytest.raises(UsageError, match=wrong):
        ingest((tmp_path,), out=tmp_path / "out", mapping=mapping)


def test_recordings_of_one_file(tmp_path, capsys):
    x = np.sin(np.arange(500) / 10).astype(np.float32)
    mapping = tmp_path / "biosig.yaml"
    mapping.write_text(
        "record: '(x)\\.npz'\n"
        "signals:\n- sfreq: 100\n"
        "  array: {name: X, axes: [record, channel, time], channels: [II], default: {unit: mV}}\n"
    )
    np.savez(tmp_path / "x.npz", X=np.stack((x, x))[:, None])
    assert inspect(tmp_path) == 0
    assert "x#0" in printed(capsys)
    np.savez(tmp_path / "x.npz", X=x[None, None])
    assert inspect(tmp_path) == 0
    assert "the model sees" in printed(capsys)
