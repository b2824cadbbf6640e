"""What goes into a shard comes out again, bit for bit."""

import json
import logging
import math
import multiprocessing
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from biosig import samples
from biosig.errors import DataError, EmptyWindowError, UsageError
from biosig.recording import UNKNOWN, Annotation, Channel, Recording, Source, Stream, Subject
from biosig.shards import ShardWriter, build_index, open_shards
from biosig.shards import reader as reader_module
from biosig.shards.verify import check_shards

text = st.text(max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
positions = st.just(UNKNOWN) | st.tuples(numbers, numbers, numbers)
channels = st.builds(
    Channel,
    name=st.text(st.characters(codec="utf-8"), max_size=8),
    source_name=text,
    kind=st.sampled_from(["ecg", "ppg", "eeg", "misc"]),
    unit=text,
    position=positions,
    reference=positions,
    position_source=st.sampled_from(["measured", "template", "unknown"]),
)
labels = st.dictionaries(text, st.none() | st.booleans() | st.integers() | numbers | text | st.lists(text, max_size=3))
name = st.text(st.characters(codec="utf-8"), max_size=8)


@st.composite
def streams(draw):
    n_chans = draw(st.integers(1, 4) | st.just(256))
    n_times = draw(st.integers(0, 40))
    dtype = draw(st.sampled_from([np.int16, np.int32, np.float32]))
    bits = draw(hnp.arrays(np.dtype(f"i{np.dtype(dtype).itemsize}"), (n_chans, n_times)))
    runs = []
    if n_times:
        run = st.tuples(st.integers(0, n_chans - 1), st.integers(0, n_times), st.integers(0, n_times))
        runs = [(c, min(a, b), max(a, b)) for c, a, b in draw(st.lists(run, max_size=3))]
    ch = draw(st.lists(channels, min_size=min(n_chans, 4), max_size=min(n_chans, 4)))
    return Stream(
        sfreq=draw(st.floats(1e-3, 1e5)),
        channels=tuple(ch[i % len(ch)] for i in range(n_chans)),
        samples=bits.view(dtype),
        scale=draw(hnp.arrays(np.float64, n_chans)),
        offset=draw(hnp.arrays(np.float64, n_chans)),
        invalid=np.array(runs, np.int64).reshape(-1, 3),
        onset=draw(numbers),
    )


recordings = st.builds(
    Recording,
    id=name,
    streams=st.lists(streams(), max_size=3),
    subject=st.none()
    | st.builds(Subject, id=name, age=st.none() | numbers, sex=st.none() | st.sampled_from(["female", "male"])),
    session=st.none() | name,
    annotations=st.lists(st.builds(Annotation, onset=numbers, duration=numbers, label=text), max_size=4),
    labels=labels,
    report=st.none() | text,
    source=st.builds(Source, path=text, adapter=text, sha256=text),
    robust_scale=st.dictionaries(text, numbers, max_size=2),
    content_hash=text,
    history=st.lists(text, max_size=2).map(tuple),
    notes=st.lists(text, max_size=2).map(tuple),
)


def assert_identical(a: Recording, b: Recording) -> None:
    for field in ("id", "subject", "session", "annotations", "labels", "report", "source", "robust_scale"):
        assert getattr(a, field) == getattr(b, field), field
    assert (a.content_hash, a.history, a.notes) == (b.content_hash, b.history, b.notes)
    assert len(a.streams) == len(b.streams)
    for s, t in zip(a.streams, b.streams, strict=True):
        assert s.sfreq == t.sfreq
        assert s.onset == t.onset
        assert repr(s.channels) == repr(t.channels)  # NaN is not equal to itself, but it reads the same
        assert s.samples.dtype == t.samples.dtype
        assert s.samples.shape == t.samples.shape
        for x, y in ((s.samples, t.samples), (s.scale, t.scale), (s.offset, t.offset), (s.invalid, t.invalid)):
            assert x.tobytes() == y.tobytes()


@settings(max_examples=40, deadline=None)
@given(st.lists(recordings, min_size=1, max_size=4, unique_by=lambda r: r.id), st.sampled_from(["lz4", "zstd"]))
def test_whatever_is_added_reads_back_bit_for_bit(given_recordings, compression):
    with tempfile.TemporaryDirectory() as folder:
        with ShardWriter(Path(folder, "a.h5"), recipe={"ä": [1, None]}, compression=compression) as writer:
            for recording in given_recordings:
                writer.add(recording)
        ds = open_shards(Path(folder, "a.h5"))
        assert len(ds) == len(given_recordings)
        for recording, stored in zip(given_recordings, ds, strict=True):
            assert_identical(recording, stored.read())
            assert stored.labels == recording.labels
            assert stored.duration == recording.duration
            assert stored.ch_names == recording.ch_names
            assert stored.annotations == recording.annotations
            assert stored.subject == recording.subject


def ecg(record: str, subject: str | None = None, **fields) -> Recording:
    source = wfdb.rdrecord(record, physical=False)
    lead = [Channel(name, name, "ecg", unit) for name, unit in zip(source.sig_name, source.units, strict=True)]
    gain, baseline = np.array(source.adc_gain, float), np.array(source.baseline, float)
    stream = Stream(float(source.fs), tuple(lead), source.d_signal.T.astype(np.int16), 1 / gain, -baseline / gain)
    return Recording(source.record_name, [stream], subject and Subject(subject, 60.0, "female"), **fields)


def records(n: int) -> list[str]:
    return [str(path.with_suffix("")) for path in sorted(samples.path("ptbxl").rglob("*_lr.hea"))[:n]]


@pytest.fixture(scope="module")
def shard_folder(tmp_path_factory):
    """Two shards of real ECGs; the second holds a recording of two rates with a gap and a late start."""
    folder = tmp_path_factory.mktemp("shards")
    names = records(6)
    with ShardWriter(folder / "000.h5", recipe={"resample": None}) as writer:
        for i, name in enumerate(names[:4]):
            events = [Annotation(0.5 * j, 0.1, "beat") for j in range(20)]
            writer.add(ecg(name, f"s{i // 2}", labels={"dx": ["MI", "NORM"][i % 2], "n": i}, annotations=events))
    mixed = ecg(names[4], "s9", labels={"dx": "NORM", "codes": ["a", "b"]}, annotations=[Annotation(3.0, 4.0, "T1")])
    fast = mixed.streams[0]
    fast.invalid = np.array([(0, 10, 300), (2, 0, 1000)])
    slow = Stream(25.0, fast.channels[:2], fast.samples[:2, ::4].astype(np.float32), 0.5, 1.0, onset=2.5)
    mixed.streams.append(slow)
    with ShardWriter(folder / "001.h5", recipe={}) as writer:
        writer.add(mixed)
    build_index(folder)
    return folder


@pytest.mark.parametrize("window", [(0.0, 10.0), (0.1, 2.0), (2.49, 1.0), (7.3, 100.0), (0.0, 1.0), (2.503, 0.05)])
def test_a_window_is_what_crop_makes_of_the_whole(shard_folder, window):
    ds = open_shards(shard_folder)
    for stored in ds:
        assert_identical(stored.read(*window), stored.read().crop(*window))


def test_a_window_without_a_sample_names_recording_and_length(shard_folder):
    stored = open_shards(shard_folder)[0]
    with pytest.raises(EmptyWindowError, match=f"{stored.id}.*lasts 10 s"):
        stored.read(11.0, 1.0)


def test_reading_from_an_onset_reaches_the_end(shard_folder):
    stored = open_shards(shard_folder)[0]
    assert stored.read(onset=4.0).streams[0].n_times == stored.read().streams[0].n_times - 400


def test_real_ecg_is_stored_in_half_the_space(tmp_path):
    raw = 0
    with ShardWriter(tmp_path / "a.h5", recipe={}) as writer:
        for header in sorted(samples.path("ptbxl").rglob("*_hr.hea")):  # 500 Hz
            recording = ecg(str(header.with_suffix("")))
            raw += recording.streams[0].samples.nbytes
            writer.add(recording)
    with h5py.File(tmp_path / "a.h5", locking=False) as file:
        stored = sum(dataset.id.get_storage_size() for dataset in file["samples"].values())
    assert stored <= 0.55 * raw


def test_the_format_needs_only_h5py_and_json(shard_folder):
    stored = open_shards(shard_folder)[2].read()
    with h5py.File(shard_folder / "000.h5", locking=False) as file:
        ids = json.loads(file["recordings/id"][()].tobytes())
        row = ids.index(stored.id)
        stream = file["recordings/stream_stop"][row - 1]
        name = json.loads(file["streams/samples"][()].tobytes())[stream]
        start, n_times = file["streams/start"][stream], file["streams/n_times"][stream]
        samples_ = file["samples"][name][:, start : start + n_times]
        assert file.attrs["format"] == b"biosig-shard"
        assert file.attrs["version"] == 2
    assert np.array_equal(samples_, stored.streams[0].samples)


def test_index_columns_queries_and_views(shard_folder):
    ds = open_shards(shard_folder)
    index = ds.to_pandas()
    assert list(index["n_chans"]) == [12, 12, 12, 12, 14]
    assert list(index["shard"]) == ["000.h5"] * 4 + ["001.h5"]
    assert list(index.iloc[4]["sfreqs"]) == [100.0, 25.0]
    assert [r.id for r in ds.query("dx == 'NORM' and age >= 60 and n_chans == 12")] == [ds[1].id, ds[3].id]
    assert [r.id for r in ds[::-2]] == [ds[4].id, ds[2].id, ds[0].id]
    assert ds[[False, True, False, False, True]][-1].id == ds[4].id
    assert len(ds[[]]) == 0
    assert len(ds[1:][np.array([0, 2])].query("n > 1")) == 1
    assert ds[1:3].hash != ds.hash
    assert ds[:].hash == ds.hash
    assert list(ds.labels["n"][:4]) == [0, 1, 2, 3]
    assert list(ds.labels.index) == [r.id for r in ds]
    assert ds.labels["codes"].iloc[4] == ["a", "b"]
    assert dict(zip(ds.subjects["subject"], ds.subjects["n_recordings"], strict=True)) == {"s0": 2, "s1": 2, "s9": 1}
    assert ds.channels.set_index("name")["n_recordings"].to_dict()["V6"] == 5
    assert len(ds.channels) == 12
    events = ds[3:].annotations
    assert list(events["recording"].unique()) == [0, 1]
    assert list(events[events["label"] == "T1"].iloc[0][["onset", "duration"]]) == [3.0, 4.0]


def test_a_query_that_makes_no_sense_lists_the_columns(shard_folder):
    ds = open_shards(shard_folder)
    for expression in ("nonsense == 3", "age", "age >", "@pd.read_pickle('x')"):
        with pytest.raises(UsageError, match=r"cannot be answered.*n_chans"):
            ds.query(expression)


def _first_samples(ds):
    return [int(stored.read(1.0, 0.1).streams[0].samples[0, 0]) for stored in ds]


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_views_travel_to_workers(shard_folder, method):
    view = open_shards(shard_folder)[[4, 1, 2]]
    expected = _first_samples(view)  # the parent's files are open when the child starts
    assert len(pickle.dumps(view)) < 1000
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(_first_samples, [view, view]) == [expected, expected]
        assert pool.map(_first_samples, [[view[0]]]) == [expected[:1]]
    assert _first_samples(view) == expected


def test_open_files_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(reader_module, "MAX_OPEN_FILES", 3)
    recording = ecg(records(1)[0])
    for i in range(8):
        recording.id = str(i)
        with ShardWriter(tmp_path / f"{i}.h5", recipe={}) as writer:
            writer.add(recording)
    ds = open_shards(tmp_path)
    for _ in range(2):
        assert len({tuple(_first_samples([stored])) for stored in ds}) == 1
        assert len(reader_module._shards) <= 3


def test_opening_shards_imports_no_torch(shard_folder):
    code = (
        f"import sys, biosig; ds = biosig.open_shards({str(shard_folder)!r}); ds.labels; print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_without_an_index_the_shards_are_read_and_a_warning_says_so(shard_folder, tmp_path, caplog):
    for path in shard_folder.glob("*.h5"):
        (tmp_path / path.name).symlink_to(path)
    with caplog.at_level(logging.WARNING):
        ds = open_shards(tmp_path)
    assert "build_index" in caplog.text
    assert ds.hash == open_shards(shard_folder).hash


def test_an_error_in_the_block_leaves_nothing(tmp_path):
    def interrupted():
        with ShardWriter(tmp_path / "a.h5", recipe={}) as writer:
            writer.add(ecg(records(1)[0]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_no_recording_no_shard(tmp_path, caplog):
    with ShardWriter(tmp_path / "a.h5", recipe={}):
        pass
    assert list(tmp_path.iterdir()) == []
    assert "received no recording" in caplog.text


def test_a_published_shard_is_never_replaced(tmp_path):
    path = tmp_path / "a.h5"
    first = ShardWriter(path, recipe={})
    second = ShardWriter(path, recipe={})
    with first:
        first.add(ecg(records(2)[0]))
    published = path.read_bytes()
    with pytest.raises(UsageError, match="never changes"), second:
        second.add(ecg(records(2)[1]))
    with pytest.raises(UsageError, match="never changes"):
        ShardWriter(path, recipe={})
    assert path.read_bytes() == published
    build_index(tmp_path)
    assert check_shards(tmp_path).problems == []
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "a.h5",
        "a.h5.sha256",
        "index.parquet",
        "index.parquet.sha256",
    ]


def test_a_refused_recording_leaves_the_shard_as_it_was(tmp_path):
    good, other = (ecg(name) for name in records(2))
    bad_run = ecg(records(3)[2])
    bad_run.streams[0].invalid = np.array([(12, 0, 5)])
    with ShardWriter(tmp_path / "a.h5", recipe={}) as writer:
        writer.add(good)
        with pytest.raises(DataError, match="ids must be unique"):
            writer.add(good)
        other.labels = {"x": object()}
        with pytest.raises(DataError, match="'labels' of recording"):
            writer.add(other)
        with pytest.raises(DataError, match="outside its 12 channels"):
            writer.add(bad_run)
        other.labels = {"x": np.float32(1.5)}
        writer.add(other)
    ds = open_shards(tmp_path / "a.h5")
    assert [stored.id for stored in ds] == [good.id, other.id]
    assert ds[1].labels == {"x": 1.5}
    assert_identical(good, ds[0].read())


def test_the_same_recordings_give_the_same_bytes(tmp_path):
    for path in (tmp_path / "a.h5", tmp_path / "b.h5"):
        with ShardWriter(path, recipe={}) as writer:
            for name in records(3):
                writer.add(ecg(name))
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_wrong_names_and_places_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"must end in '\.h5'"):
        ShardWriter(tmp_path / "a.hdf", recipe={})
    with pytest.raises(UsageError, match="does not exist"):
        ShardWriter(tmp_path / "no" / "a.h5", recipe={})
    with pytest.raises(UsageError, match="holds no shard"):
        open_shards(tmp_path)
    with pytest.raises(UsageError, match="does not exist"):
        open_shards(tmp_path / "no")


def test_unknown_positions_stay_one_channel(shard_folder):
    with h5py.File(shard_folder / "000.h5", locking=False) as file:
        assert file["channels/position"].shape == (12, 3)
    assert all(math.isnan(x) for x in open_shards(shard_folder)[0].channels[0].position)


def test_a_missing_shard_is_named(shard_folder, tmp_path):
    for path in shard_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    ds = open_shards(tmp_path)
    (tmp_path / "001.h5").unlink()
    with pytest.raises(DataError, match=r"001\.h5 is missing"):
        ds[4].read()
    assert ds[0].read().ch_names[0] == "I"
