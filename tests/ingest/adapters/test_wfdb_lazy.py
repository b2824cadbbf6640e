"""Samples that stay in their files are those of a record that is read at once."""

import subprocess
import sys

import numpy as np
import pytest
import wfdb

from biosig.content_hash import content_hash
from biosig.lazy_samples import LazySamples
from ingest.adapters.wfdb.adapter import WfdbAdapter

MISSING = -(2**15)


@pytest.fixture
def lazily(monkeypatch):
    """Reads a record with nothing in memory and blocks of a few hundred samples."""
    adapter = WfdbAdapter()
    adapter.in_memory = 0
    monkeypatch.setattr("ingest.adapters.wfdb.scan.BLOCK_BYTES", 1000)
    monkeypatch.setattr("ingest.adapters.wfdb.signals.BLOCK_BYTES", 4000)
    return lambda path: adapter.read(path, lazy=True)


def check_same(lazy, eager):
    assert lazy.content_hash == eager.content_hash == content_hash(lazy.streams)
    assert (lazy.notes, lazy.source.sha256) == (eager.notes, eager.source.sha256)
    for left, right in zip(lazy.streams, eager.streams, strict=True):
        assert isinstance(left.samples, LazySamples)
        assert isinstance(right.samples, np.ndarray)
        assert left.samples.dtype == right.samples.dtype
        np.testing.assert_array_equal(left.invalid, right.invalid)
        np.testing.assert_array_equal(np.asarray(left.samples), right.samples)
        n = right.n_times
        for start, stop in [(0, 1), (n - 1, n), (n // 3, n // 3 + 97), (n // 2, n), (0, 0)]:
            np.testing.assert_array_equal(left.samples[:, start:stop], right.samples[:, start:stop])
            np.testing.assert_array_equal(left.slice(start, stop).physical(), right.slice(start, stop).physical())


def multirate(folder, name="r", n=3000, seed=0, gain=200, spoil=True):
    """Two files; rates 1 and 3; a skew; missing samples at the ends, over many blocks, and of a whole signal."""
    x = np.random.default_rng(seed).integers(-2000, 2000, (n, 5)).astype("<i2")
    if spoil:
        x[:40, 0] = x[-3:, 0] = x[500:1700, 1] = MISSING
    (folder / f"{name}.d0").write_bytes(x.tobytes())
    y = np.random.default_rng(seed + 1).integers(-2000, 2000, n).astype("<i2")
    (folder / f"{name}.d1").write_bytes(y.tobytes())
    (folder / f"{name}.hea").write_text(
        f"{name} 4 100 {n}\n{name}.d0 16 {gain}(0)/mV 16 0 0 0 0 I\n{name}.d0 16x3 {gain}(5)/mV 16 0 0 0 0 II\n"
        f"{name}.d0 16:7 {gain}(0)/mV 16 0 0 0 0 III\n{name}.d1 16 1(0)/NU 16 0 0 0 0 RESP\n"
    )
    return folder / f"{name}.hea"


def test_several_rates_files_a_skew_and_missing_samples(tmp_path, lazily):
    path = multirate(tmp_path)
    eager = WfdbAdapter().read(path)
    check_same(lazily(path), eager)
    slow, fast = eager.streams
    assert [0, 0, 40] in slow.invalid.tolist()
    assert [1, 2993, 3000] in slow.invalid.tolist()
    assert fast.invalid.tolist() == [[0, 3 * 500, 3 * 1700 - 2]] or len(fast.invalid) > 1


@pytest.mark.parametrize("gains", [(200, 200), (200, 50), (200, 127.312345)])
def test_segments_with_gaps(tmp_path, lazily, gains):
    """The same gain; gains with a common step; gains without one, so that all becomes float32."""
    for name, seed, gain in zip("ab", (0, 7), gains, strict=True):
        multirate(tmp_path, name, 1000, seed, gain)
    (tmp_path / "m.hea").write_text("m/5 4 100 3111\n~ 11\na 1000\nb 1000\n~ 100\na 1000\n")
    eager = WfdbAdapter().read(tmp_path / "m.hea")
    check_same(lazily(tmp_path / "m.hea"), eager)
    assert eager.streams[0].samples.dtype == (np.float32 if gains[1] == 127.312345 else np.int16)
    first, again = (eager.streams[1].physical()[:, 3 * start : 3 * start + 3000] for start in (11, 2111))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("fmt", ["8", "212", "311", "516"])
def test_formats_without_a_sample_per_word(tmp_path, lazily, fmt):
    x = np.cumsum(np.random.default_rng(0).integers(-3, 4, (5000, 2)), axis=0)
    if fmt in ("8", "311"):  # wfdb cannot write these
        width, dtype = (1, np.int8) if fmt == "8" else (4, np.uint32)
        raw = np.random.default_rng(1).integers(0, 100, 10_000 if fmt == "8" else 3334).astype(dtype)
        assert raw.itemsize == width
        (tmp_path / "r.dat").write_bytes(raw.tobytes())
        (tmp_path / "r.hea").write_text(
            "r 2 100 5000\n" + "".join(f"r.dat {fmt} 200(0)/mV 12 0 9 0 0 {name}\n" for name in ("I", "II"))
        )
    else:
        wfdb.wrsamp("r", 100, ["mV"] * 2, ["I", "II"], d_signal=x, fmt=[fmt] * 2, adc_gain=[200.0] * 2,
                    baseline=[0] * 2, write_dir=str(tmp_path))  # fmt: skip
    check_same(lazily(tmp_path / "r.hea"), WfdbAdapter().read(tmp_path / "r.hea"))


def test_a_small_record_is_in_memory_though_lazy(tmp_path):
    (stream,) = WfdbAdapter().read(multirate(tmp_path), lazy=True).streams[:1]
    assert isinstance(stream.samples, np.ndarray)


def test_a_day_takes_the_memory_of_a_block(tmp_path):
    """2 h of 12 leads at 500 Hz are 86 MB, a day is a GB; a sparse file stands for them."""
    n = 2 * 3600 * 500
    with (tmp_path / "day.dat").open("wb") as file:
        file.truncate(n * 24)
    lines = [f"day 12 500 {n}", *(f"day.dat 16 1000(0)/mV 16 0 0 0 0 V{lead}" for lead in range(12))]
    (tmp_path / "day.hea").write_text("\n".join(lines) + "\n")
    code = (
        "import resource, sys; from pathlib import Path; from ingest.adapters.wfdb.adapter import WfdbAdapter\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "WfdbAdapter().read(Path(sys.argv[1]), lazy=True)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "day.hea")]
    grown = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    kilobyte = 1 if sys.platform != "darwin" else 1024
    assert grown < 80_000 * kilobyte, grown
