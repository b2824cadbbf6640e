"""Compressed files of few bytes that stand for many: refused by their size, soon, wherever one is read."""

import gzip
import time

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.io

from biosig.errors import UnreadableError
from ingest.adapters.mne.fif import further_parts
from ingest.adapters.tables.adapter import TableAdapter
from ingest.decompress import FREE
from ingest.metadata.labels.typed_table import TypedTable

N = 3 * FREE
SECONDS = 5
ONE = {"name": "X", "axes": ["channel", "time"], "channels": ["II"], "default": {"kind": "ecg", "unit": "mV"}}


def signals(ending, **more):
    return {"record": rf"(\w+)\.{ending}", "signals": [{"sfreq": 100, **more}]}


def as_csv(path):
    path.write_bytes(gzip.compress(b"II\n" + b"0\n" * (N // 2)))
    return signals("csv.gz", columns={"II": {"kind": "ecg", "unit": "mV"}})


def as_npz(path):
    np.savez_compressed(path, X=np.zeros((1, N), np.int8))
    return signals("npz", array=ONE)


def as_mat(path):
    scipy.io.savemat(path, {"X": np.zeros((1, N), np.int8)}, do_compression=True)
    return signals("mat", array=ONE)


def as_h5(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("X", data=np.zeros((1, N), np.int8), compression="gzip", chunks=(1, 2**20))
    return signals("h5", array=ONE)


def as_parquet(path):
    pq.write_table(pa.table({"II": pa.array(np.zeros(N // 8))}), path)
    return signals("parquet", columns={"II": {"kind": "ecg", "unit": "mV"}})


@pytest.mark.parametrize(
    ("name", "make"),
    [("r.csv.gz", as_csv), ("r.npz", as_npz), ("r.mat", as_mat), ("r.h5", as_h5), ("r.parquet", as_parquet)],
)
def test_signals_that_unpack_without_end_are_refused_soon(tmp_path, name, make):
    mapping = make(tmp_path / name)
    start = time.process_time()
    with pytest.raises(UnreadableError, match=r"unpacks from [0-9,]+ bytes to .* which no recording does"):
        TableAdapter(mapping).read(tmp_path / name)
    assert time.process_time() - start < SECONDS


@pytest.mark.parametrize("name", ["labels.csv.gz", "labels.parquet"])
def test_label_tables_that_unpack_without_end_are_refused(tmp_path, name):
    if name.endswith("gz"):
        (tmp_path / name).write_bytes(gzip.compress(b"id,x\n" + b"r,0\n" * (N // 4)))
    else:
        pq.write_table(pa.table({"id": pa.array(["r"] * (N // 8)), "x": pa.array(np.zeros(N // 8))}), tmp_path / name)
    with pytest.raises(UnreadableError, match="unpacks from"):
        TypedTable(tmp_path / name)


def test_a_fif_file_that_unpacks_without_end_is_refused(tmp_path):
    (tmp_path / "x_raw.fif.gz").write_bytes(gzip.compress(bytes(N)))
    with pytest.raises(UnreadableError, match="unpacks from"):
        further_parts(tmp_path / "x_raw.fif.gz")


def test_noise_and_short_silence_are_read(tmp_path):
    columns = signals("csv.gz", columns={"II": {"kind": "ecg", "unit": "mV"}})
    (tmp_path / "zeros.csv.gz").write_bytes(gzip.compress(b"II\n" + b"0\n" * 100_000))
    assert TableAdapter(columns).read(tmp_path / "zeros.csv.gz").duration == 1000
    noise = "\n".join(map(str, np.random.default_rng(0).integers(-9, 9, 100_000).tolist()))
    (tmp_path / "noise.csv.gz").write_bytes(gzip.compress(f"II\n{noise}\n".encode()))
    assert TableAdapter(columns).read(tmp_path / "noise.csv.gz").duration == 1000
