"""The table of features: rows, joins, interruption, workers and errors, on real recordings."""

import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

import biosig
from biosig import samples
from biosig.batches.windows import LeftOutWarning
from biosig.cli.main import main
from biosig.errors import DataError, UsageError
from biosig.features import extract, table
from biosig.features.feature_table import table_to_file
from biosig.shards.index import build_index
from biosig.shards.writer import ShardWriter
from biosig.sources import as_windows

pytestmark = pytest.mark.filterwarnings("ignore::biosig.models.model.RandomWeightsWarning")

ECG = sorted(samples.path("ptbxl").rglob("*_lr.hea"))[:3]
KEYS = ["recording", "subject", "onset", "duration"]


@pytest.fixture(scope="module")
def recordings():
    eeg = biosig.read(sorted(samples.path("eegmmidb").glob("*R04.edf"))[0])
    bedside = biosig.read(sorted(samples.path("bidmc").glob("*_Signals.csv.gz"))[0])
    return [*map(biosig.read, ECG), eeg.crop(0, 20), bedside.crop(0, 20)]


@pytest.fixture(scope="module")
def shards(recordings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    with ShardWriter(folder / "a.h5", recipe={}) as writer:
        for recording in recordings:
            writer.add(recording)
    build_index(folder)
    return folder


@pytest.fixture(scope="module")
def of_shards(shards):
    return table(shards)


def run(*argv):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in argv])
    return ended.value.code


def same(one, other):
    assert one.schema == other.schema
    assert one.drop(["notes"]).to_pandas().equals(other.drop(["notes"]).to_pandas())
    assert one["notes"].to_pylist() == other["notes"].to_pylist()


def test_it_joins_with_the_table_of_embed(shards, of_shards):
    embedded = biosig.embed(biosig.build_model("biosig-tiny"), shards).to_pandas()
    frame = of_shards.to_pandas()
    assert len(frame) == 3 + 2 + 2
    joined = embedded.merge(frame, on=KEYS, how="left", validate="many_to_one", indicator=True)
    assert (joined["_merge"] == "both").all()
    for kind in ("ecg", "eeg", "ppg"):
        column = {"ecg": "ecg.rate", "eeg": "eeg.missing[C3]", "ppg": "ppg.rate"}[kind]
        assert joined[column].notna().sum() >= (joined["modality"] == kind).sum(), kind


def test_a_row_is_what_extract_gives_of_the_window(recordings, of_shards):
    frame = of_shards.to_pandas()
    bedside = frame[(frame["recording"] == recordings[-1].id) & (frame["onset"] == 10)].iloc[0]
    expected = extract(recordings[-1].crop(10, 10))
    assert np.array_equal(bedside[expected.index].to_numpy(float), expected.to_numpy(), equal_nan=True)
    assert tuple(bedside["notes"]) == expected.attrs["notes"]
    assert bedside["ecg.rate"] == pytest.approx(bedside["ppg.rate"], abs=2)
    absent = of_shards["ecg.r_amplitude[V1]"].is_null().to_pylist()
    assert absent == [False, False, False, True, True, True, True]  # null: no such channel


def test_files_folders_and_lists_give_the_same(recordings, tmp_path):
    for path in ECG:
        for file in path.parent.glob(f"{path.stem}.*"):
            shutil.copy(file, tmp_path)
    same(table(tmp_path), table(recordings[:3]))
    same(table(ECG[0]), table(recordings[0]))
    assert table(recordings[0], window=4.0, keep_tail=True)["duration"].to_pylist() == [4.0, 4.0, 2.0]
    stream = recordings[0].streams[0]
    array = table(stream.physical(), sfreq=100.0, ch_names=stream.ch_names, kind="ecg")
    assert array["ecg.rate"] == table(recordings[0])["ecg.rate"]
    of_ppg = table(recordings[-1], kinds=["ppg"]).column_names
    assert of_ppg == [*KEYS, "notes", *extract(recordings[-1].crop(0, 10), ["ppg"]).index]


KILLED = """
import os, signal, sys
from pathlib import Path
from biosig.features import feature_table
from biosig.sources import as_windows
feature_table.PART_WINDOWS = 2

def progress(stage, done, total, note=""):
    if done >= 5:
        os.kill(os.getpid(), signal.SIGKILL)

feature_table.table_to_file(as_windows(Path(sys.argv[1]), 10.0), Path(sys.argv[2]), progress=progress)
"""


def test_killed_and_run_again_it_neither_repeats_nor_misses_a_window(shards, of_shards, tmp_path, monkeypatch):
    monkeypatch.setattr("biosig.features.feature_table.PART_WINDOWS", 2)
    out = tmp_path / "killed.parquet"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed = subprocess.run([sys.executable, "-c", KILLED, shards, out], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not out.exists()
    windows, done = as_windows(shards, 10.0), []
    with pytest.raises(DataError, match="half-done table of features of another source, window or kind"):
        table_to_file(windows, out, ["ecg"])
    table_to_file(windows, out, progress=lambda stage, n, total, note="": done.append(n))
    assert done == [5, 6, 7]  # the windows of finished parts are not measured again
    same(pq.read_table(out), of_shards)
    assert not out.with_name(out.name + ".parts").exists()


def test_workers_give_the_same(shards, of_shards):
    same(table(shards, workers=1), of_shards)


def test_the_verb_writes_the_table(shards, of_shards, tmp_path, capsys):
    assert run("features", shards, "--out", tmp_path / "new" / "t.parquet") == 0
    assert "(7 windows)" in capsys.readouterr().out
    same(pq.read_table(tmp_path / "new" / "t.parquet"), of_shards)
    assert run("features", shards, "--out", tmp_path / "q.parquet", "--query", f"recording == '{ECG[0].stem}'") == 0
    assert pq.read_table(tmp_path / "q.parquet").num_rows == 1


def test_recordings_without_a_kind_are_named(recordings):
    muscle = biosig.Channel("chin", "chin", "emg", "uV")
    emg = biosig.Recording("emg", [biosig.Stream(100.0, (muscle,), np.ones((1, 1000), np.float32), 1.0, 0.0)])
    with pytest.warns(LeftOutWarning, match=r"kind ecg, ppg, eeg give no row: 1 of 2, the first is 'emg'"):
        assert table([recordings[0], emg]).num_rows == 1
    with pytest.raises(DataError, match="None of 1 recordings has a channel of kind ecg, ppg, eeg, the first is 'emg'"):
        table(emg)
    with pytest.raises(UsageError, match="no features of kind 'emg'; there are of ecg, ppg, eeg"):
        table(emg, kinds=["emg"])


def test_a_window_without_a_sample_is_a_row_without_values(recordings):
    late = recordings[0].crop(0, 5)
    late = biosig.Recording("late", [biosig.Stream(**{**fields(late.streams[0]), "onset": 10.0})])
    found = table([recordings[0], late], window=5.0).to_pandas()
    assert found["onset"].tolist() == [0.0, 5.0, 0.0, 5.0, 10.0]
    assert found["ecg.rate"].notna().tolist() == [True, True, False, False, True]
    assert list(found["notes"].iloc[2]) == ["no sample of these kinds in this window"]


def fields(stream):
    return {name: getattr(stream, name) for name in stream.__dataclass_fields__}


@pytest.mark.parametrize(
    ("argv", "status", "words"),
    [
        (["absent.edf", "--out", "t.parquet"], 2, "absent.edf does not exist: check the path."),
        ([ECG[0], "--out", "t.csv"], 2, "ends in .parquet"),
        ([ECG[0]], 2, "give --out T.parquet, --report page.html, or both"),
        ([ECG[0], "--out", "t.parquet", "--kinds", "emg"], 2, "There are no features of kind 'emg'"),
        ([ECG[0], "--out", "t.parquet", "--window", "60"], 2, "No recording is as long as a window of 60 s"),
        ([ECG[0].parent, "--report", "page.html"], 2, "recordings, and --report draws one: name its file."),
    ],
)
def test_an_error_is_one_sentence(argv, status, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("features", *argv) == status
    error = capsys.readouterr().err
    assert words in error
    assert len(error.strip().splitlines()) == 1


def test_a_truncated_file_is_one_sentence(tmp_path, capsys):
    for file in ECG[0].parent.glob(f"{ECG[0].stem}.*"):
        shutil.copy(file, tmp_path)
    signal_file = tmp_path / f"{ECG[0].stem}.dat"
    signal_file.write_bytes(signal_file.read_bytes()[:1000])
    assert run("features", tmp_path / ECG[0].name, "--out", tmp_path / "t.parquet") == 1
    error = capsys.readouterr().err
    assert f"{ECG[0].stem}" in error
    assert len(error.strip().splitlines()) == 1
