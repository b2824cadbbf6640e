"""Arrays described by a mapping: axes, types, several recordings in one file, and files that lie about themselves."""

import gzip
import io
import re
import struct
import tracemalloc
import zipfile
from pathlib import Path

import array_samples as exports
import h5py
import numpy as np
import pytest
import scipy.io
import yaml

from biosig.errors import UnreadableError, UsageError
from biosig.lazy_samples import LazySamples
from biosig.reading import read
from ingest.adapters.tables import array_readers as variables
from ingest.adapters.tables import hdf5, matlab, text_table
from ingest.adapters.tables.adapter import TableAdapter
from ingest.adapters.tables.mapping import load_mapping

TWO = {"axes": ["channel", "time"], "channels": ["I", "II"], "default": {"kind": "ecg", "unit": "mV"}}


def mapping(suffix, array=TWO, **signals):
    return {"record": rf"(\w+)\.{suffix}", "signals": [{"sfreq": 100, "array": array, **signals}]}


def save(folder, array, **more):
    np.savez(folder / "r.npz", X=array, **more)
    return folder / "r.npz"


@pytest.mark.parametrize(
    ("values", "dtype", "note"),
    [
        (np.array([[0, 2**15 - 1], [1, -(2**15)]], np.int64), np.int16, None),
        (np.array([[0, 40000], [1, 2]], np.uint16), np.int32, None),
        (np.array([[0, 1.5], [2, 3]], np.float16), np.float32, None),
        (np.array([[0, 0.1], [2, 3]], np.float64), np.float32, "rounded to float32"),
        (np.array([[0, np.inf], [2, 3]], np.float32), np.float32, "1 sample of 'I' from 0.01 s (infinite)"),
    ],
)
def test_the_smallest_type_that_keeps_every_number(tmp_path, values, dtype, note):
    counts = {**TWO, "default": {"kind": "misc", "unit": "NU"}}
    recording = TableAdapter(mapping("npz", counts)).read(save(tmp_path, values))
    (stream,) = recording.streams
    assert stream.samples.dtype == dtype
    np.testing.assert_array_equal(stream.samples, values.astype(dtype))
    assert (note is None) == (not recording.notes)
    assert note is None or note in " ".join(recording.notes)


def test_missing_numbers_and_nan_are_invalid_across_blocks(tmp_path, monkeypatch):
    x = np.arange(2000).reshape(2, 1000)
    x[0, 95:205] = -32768
    np.save(tmp_path / "r.npy", x)
    monkeypatch.setattr("ingest.adapters.tables.arrays.BLOCK_BYTES", 8 * 2 * 100)
    described = {**mapping("npy"), "missing": ["-32768"]}
    assert TableAdapter(described).read(tmp_path / "r.npy").streams[0].invalid.tolist() == [[0, 95, 205]]
    np.save(tmp_path / "r.npy", np.where(x < 0, np.nan, x))
    assert TableAdapter(described).read(tmp_path / "r.npy").streams[0].invalid.tolist() == [[0, 95, 205]]


def test_scale_offset_and_channels_that_differ(tmp_path):
    array = {**TWO, "channels": ["I", "PLETH", "spare"], "default": {"unit": "uV", "scale": 2, "offset": 10}}
    columns = {"PLETH": {"kind": "ppg", "unit": "NU"}}
    described = mapping("npz", array, columns=columns, ignore=["spare"])
    (stream,) = TableAdapter(described).read(save(tmp_path, np.arange(9).reshape(3, 3))).streams
    np.testing.assert_allclose(stream.physical(), [[0.010, 0.012, 0.014], [3, 4, 5]], rtol=1e-6)
    assert [(c.name, c.unit) for c in stream.channels] == [("I", "mV"), ("finger", "NU")]


@pytest.mark.parametrize("shape", [(3, 2, 50), (2, 3, 50), (50, 2, 3), (2, 50, 3)])
@pytest.mark.parametrize("fortran", [False, True])
def test_any_order_of_axes_reads_the_same_lazily(tmp_path, monkeypatch, shape, fortran):
    """Also where a part is read row by row, because what lies between is too much."""
    monkeypatch.setattr(variables, "_READ_AT_ONCE", 64)
    x = np.random.default_rng(0).integers(-99, 99, (3, 2, 50))
    names = {3: "record", 2: "channel", 50: "time"}
    order = [(3, 2, 50).index(size) for size in shape]
    np.save(tmp_path / "r.npy", np.asarray(x.transpose(order), order="F" if fortran else "C"))
    adapter = TableAdapter(mapping("npy", {**TWO, "axes": [names[size] for size in shape]}))
    assert adapter.members(tmp_path / "r.npy") == ["0", "1", "2"]
    for n in range(3):
        (stream,) = adapter.read(tmp_path / "r.npy", lazy=True, member=str(n)).streams
        assert isinstance(stream.samples, LazySamples)
        np.testing.assert_array_equal(stream.samples, x[n])
        np.testing.assert_array_equal(stream.slice(7, 33).samples, x[n, :, 7:33])


def test_trials_of_one_file_with_names_labels_and_subjects(tmp_path):
    more = {"id": ["a", "b"], "y": [1, 0], "who": ["s1", "s2"], "years": [30, 40]}
    path = save(tmp_path, np.arange(20).reshape(2, 2, 5), **more)
    described = {
        **mapping("npz", {**TWO, "name": "X", "axes": ["record", "channel", "time"]}),
        "record_names": {"column": "id"},
        "labels": {"target": "y"},
        "subject": {"id": "who", "age": "years"},
    }
    adapter = TableAdapter(described)
    assert adapter.members(path) == ["a", "b"]
    one = adapter.read(path, member="b")
    assert (one.id, one.labels, one.subject.id, one.subject.age) == ("r#b", {"target": 0}, "s2", 40)
    np.testing.assert_array_equal(one.streams[0].samples, [[10, 11, 12, 13, 14], [15, 16, 17, 18, 19]])
    with pytest.raises(UsageError, match=r"holds 2 recordings .*'c' is none of them"):
        adapter.read(path, member="c")
    with pytest.raises(UsageError, match="say which with member="):
        adapter.read(path)
    (tmp_path / "names.csv").write_text("file,group\nx,1\nx,2\n")
    with pytest.raises(UnreadableError, match="1 names twice"):
        TableAdapter({**described, "record_names": {"file": "names.csv", "column": "file"}}).members(path)


def test_one_variable_per_channel_and_events_from_another_file(tmp_path):
    (tmp_path / "ref").mkdir()
    scipy.io.savemat(tmp_path / "d_1.mat", {"ecg": np.arange(500.0)[:, None]})
    scipy.io.savemat(tmp_path / "ref" / "R_1.mat", {"peaks": np.array([[100], [499], [700]], np.uint16)})
    described = {
        "record": r"d_(\d)\.mat",
        "signals": [{"sfreq": 500, "columns": {"ecg": {"name": "II", "kind": "ecg", "unit": "mV"}}}],
        "events": [{"file": "ref/R_{record}.mat", "sfreq": 500, "columns": {"peaks": "R"}}],
    }
    recording = TableAdapter(described).read(tmp_path / "d_1.mat")
    assert (recording.id, recording.ch_names) == ("1", ["II"])
    assert [(a.onset, a.label) for a in recording.annotations] == [(0.2, "R"), (0.998, "R")]
    assert any("1 events of 'R'" in note for note in recording.notes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"axes": ["time", "channel"]}, ["shape (2, 50)", "look swapped"]),
        ({"axes": ["time"]}, ["shape (2, 50)", "correct axes"]),
        ({"channels": ["I"]}, ["2 channels", "names 1"]),
        ({"channels": "leads"}, ["no variable 'leads'", "it has X"]),
        ({"name": "Y"}, ["no variable 'Y'"]),
    ],
)
def test_what_does_not_fit_the_mapping_is_told(tmp_path, change, words):
    path = save(tmp_path, np.zeros((2, 50)))
    with pytest.raises(UnreadableError) as failure:
        TableAdapter(mapping("npz", {**TWO, **change})).read(path)
    assert all(word in str(failure.value) for word in [str(path), *words]), str(failure.value)


@pytest.mark.parametrize(
    ("signals", "words"),
    [
        ({"sfreq": 100}, "columns"),
        ({"array": TWO}, "sfreq"),
        ({"sfreq": 100, "array": {**TWO, "axes": ["channel"]}}, "'time'"),
        ({"sfreq": 100, "array": TWO, "raw": {"dtype": "object"}}, "dtype 'object'"),
        ({"sfreq": 100, "array": TWO, "colour": "red"}, "colour"),
        (
            {"sfreq": 100, "time": "t", "columns": {"I": {}}, "regularise": {"sfreq": 30, "longest_gap": 1}},
            "leave sfreq",
        ),
        ({"time": "t", "columns": {"I": {}}, "regularise": {"sfreq": 30, "longest_gap": 0.01}}, "at least one sample"),
    ],
)
def test_a_mapping_that_contradicts_itself(signals, words):
    with pytest.raises(UsageError, match=words):
        load_mapping({"record": "(.+)", "signals": [signals]})


def npy(shape, body=b"", descr="<f8"):
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": descr, "fortran_order": False, "shape": shape})
    return head.getvalue() + body


def as_pickle(folder):
    np.save(folder / "r.npy", np.array([["a", {}]], object), allow_pickle=True)
    return folder / "r.npy"


def as_huge_npy(folder):
    (folder / "r.npy").write_bytes(npy((2, 10**12), bytes(1000)))
    return folder / "r.npy"


def as_huge_npz(folder):
    with zipfile.ZipFile(folder / "r.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("X.npy", npy((2, 10**9), bytes(1000)))
    return folder / "r.npz"


def as_damaged_npz(folder):
    path = exports.as_npz(folder)
    raw = bytearray(path.read_bytes())
    raw[200:4000:7] = bytes(len(raw[200:4000:7]))
    path.write_bytes(raw)
    return path


def as_deep_matlab(folder):
    """Cells in cells, so many that SciPy's reader runs out of stack and takes the process along."""
    n, head = 200_000, struct.pack("<IIIIIIiiII", 6, 8, 1, 0, 5, 8, 1, 1, 1, 0)
    cells = b"".join(struct.pack("<II", 14, k * (len(head) + 8) - 8) + head for k in range(n, 0, -1))
    top = struct.pack("<II", 14, len(cells) + 40) + head[:32] + struct.pack("<HH4s", 1, 1, b"X")
    (folder / "r.mat").write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H2s", 256, b"IM") + top + cells)
    return folder / "r.mat"


def as_cut_matlab(folder):
    path = exports.as_matlab(folder)
    path.write_bytes(path.read_bytes()[:-500])
    return path


def in_hdf5(write):
    def make(folder):
        np.save(folder / "secret.npy", np.zeros(100))
        with h5py.File(folder / "other.h5", "w") as file:
            file["X"] = np.zeros((2, 50))
        with h5py.File(folder / "r.h5", "w") as file:
            write(file, folder)
        return folder / "r.h5"

    return make


def virtual(file, folder):
    layout = h5py.VirtualLayout((2, 50), "f8")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "X", (2, 50))
    file.create_virtual_dataset("X", layout)


HDF5 = {
    "external link": (lambda f, _: f.__setitem__("X", h5py.ExternalLink("other.h5", "X")), "is a link"),
    "soft link": (lambda f, _: f.__setitem__("X", h5py.SoftLink("/elsewhere")), "is a link"),
    "virtual": (virtual, "in other files"),
    "external storage": (
        lambda f, d: f.create_dataset("X", (2, 50), "f8", external=[(str(d / "secret.npy"), 0, 800)]),
        "in other files",
    ),
    "never written": (lambda f, _: f.create_dataset("X", (2, 10**12), "f8"), "never written in full"),
    "partly written": (
        lambda f, _: f.create_dataset("X", (2, 10**6), "f4", chunks=(2, 1000)).__setitem__((0, slice(0, 5)), 1),
        r"1 of its 1000 parts",
    ),
    "references": (lambda f, _: f.create_dataset("X", (2, 5), h5py.ref_dtype), "neither numbers nor texts"),
    "a group": (lambda f, _: f.create_group("X"), "is a group"),
}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (as_pickle, "pickled Python objects"),
        (as_huge_npy, "cut short or damaged"),
        (as_huge_npz, "variable 'X' unpacks to 14.9 GiB at once"),
        (as_damaged_npz, "not a whole NumPy|damaged"),
        (as_cut_matlab, "not a whole MATLAB file"),
        (as_deep_matlab, "its reader ended with status -11"),
        *[pytest.param(in_hdf5(write), words, id=name) for name, (write, words) in HDF5.items()],
    ],
)
def test_a_file_that_lies_ends_in_one_sentence_and_little_memory(tmp_path, make, words):
    path = make(tmp_path)
    beside = tmp_path / "biosig.yaml"
    described = (
        yaml.safe_load(beside.read_text()) if beside.exists() else mapping(path.suffix[1:], {**TWO, "name": "X"})
    )
    if path.suffix == ".npy":
        described = mapping("npy")
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableError, match=words) as failure:
            TableAdapter(described).read(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert str(path) in str(failure.value)
    assert peak < 50 * 2**20


def test_bombs_are_refused_before_they_unfold(tmp_path, monkeypatch):
    """Limits are lowered, so that the test need not make gigabytes."""
    monkeypatch.setattr(variables, "MOST_IN_MEMORY", 2**20)
    monkeypatch.setattr(matlab, "MOST_IN_MEMORY", 2**20)
    monkeypatch.setattr(text_table, "_MOST_CELLS", 10_000)
    zeros = np.zeros((2, 200_000))
    np.savez_compressed(tmp_path / "r.npz", X=zeros)
    scipy.io.savemat(tmp_path / "r.mat", {"X": zeros}, do_compression=True)
    (tmp_path / "line.csv.gz").write_bytes(gzip.compress(bytes(5_000_000)))
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress(b"I,II\n" + b"0,0\n" * 200_000))
    for name, words in [("r.npz", "without compression"), ("r.mat", "-v7.3")]:
        with pytest.raises(UnreadableError, match=words):
            TableAdapter(mapping(name[2:], {**TWO, "name": "X"})).read(tmp_path / name)
    columns = {"record": r"(\w+)\.csv\.gz", "signals": [{"sfreq": 100, "columns": {"I": {}, "II": {}}}]}
    for name, words in [("line.csv.gz", "a line of more than"), ("rows.csv.gz", "too many for text")]:
        with pytest.raises(UnreadableError, match=words):
            TableAdapter(columns).read(tmp_path / name)


def test_texts_that_would_make_hdf5_loop_or_fill_memory(tmp_path):
    """HDF5 2.0 walks on the spot at a heap object of size 0, and takes 4 GB for a text that says it is that long."""
    path = exports.as_hdf5(tmp_path)
    sound = path.read_bytes()
    heap = sound.find(b"GCOL")
    reference = rb"[\1-\3]\0{3}" + re.escape(heap.to_bytes(8, "little")) + rb"[\1-\x0c]\0{3}"
    place = re.search(reference, sound).start()
    eleventh = heap + 16 + 10 * 24
    for at, byte, words in [(eleventh + 8, 193, "damaged where its texts are"), (place + 3, 255, "endless texts")]:
        path.write_bytes(sound[:at] + bytes([byte]) + sound[at + 1 :])
        with pytest.raises(UnreadableError, match=words):
            read(path)
    path.write_bytes(sound)
    assert read(path).ch_names == exports.LEADS


@pytest.mark.parametrize("chunks", [(2, 7), (1, 1000), (2, 1000), (1, 128)])
def test_chunks_are_unpacked_once_and_badly_packed_files_refused(tmp_path, monkeypatch, chunks):
    x = np.random.default_rng(0).integers(-99, 99, (2, 1000)).astype(np.int16)
    with h5py.File(tmp_path / "r.h5", "w") as file:
        file.create_dataset("X", data=x, chunks=chunks, compression="gzip")
    described = mapping("h5", {**TWO, "name": "X"})
    (stream,) = TableAdapter(described).read(tmp_path / "r.h5", lazy=True).streams
    reads = []
    plain = hdf5._Dataset._read
    monkeypatch.setattr(hdf5._Dataset, "_read", lambda self, index: reads.append(index) or plain(self, index))
    blocks = [block.samples for block in stream.blocks(2 * 2 * 10)]
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), x)
    assert len(reads) <= 2 * len(blocks) * 10 / chunks[1] + 1 or chunks[1] < 10
    blocks[0][:] = 0
    np.testing.assert_array_equal(stream.samples[:, :10], x[:, :10])
    monkeypatch.setattr(hdf5, "MOST_IN_MEMORY", 1500)
    if chunks[1] == 1000:
        with pytest.raises(UnreadableError, match="repack it in smaller chunks"):
            stream.slice(0, 10)


def test_what_is_lazy(tmp_path):
    for make, lazy in [(exports.as_npy, True), (exports.as_uncompressed_npz, True), (exports.as_npz, False)]:
        folder = tmp_path / make.__name__
        folder.mkdir()
        assert isinstance(read(make(folder), lazy=True).streams[0].samples, LazySamples) == lazy


def test_families_of_files_in_one_mapping(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 50)))
    np.savez(tmp_path / "b.npz", X=np.ones((2, 50)))
    adapter = TableAdapter({**mapping("npy"), "also": [mapping("npz")]})
    assert [adapter.read(tmp_path / name).streams[0].samples[0, 0] for name in ("a.npy", "b.npz")] == [0, 1]
    assert [adapter.claims(tmp_path / name) for name in ("a.npy", "b.npz", "c.npz")] == [True, True, False]


@pytest.mark.parametrize("name", ["cpsc", "scipy-ecg", "smni", "sph", "welltory"])
def test_the_mappings_of_public_sets_load(name):
    assert load_mapping(Path(__file__).parents[3] / "configs" / "ingest" / f"{name}.yaml").signals
