"""Damage is found wherever it is, and named; a foreign or hostile file is refused with a sentence."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from biosig.cli.data import verify
from biosig.errors import BiosigError, UnreadableError, UsageError
from biosig.recording import Annotation, Channel, Recording, Stream, Subject
from biosig.shards import ShardWriter, build_index, open_shards
from biosig.shards.verify import check_shards

CHANNELS = tuple(Channel(name, name, "ecg", "mV", (0.1, 0.2, 0.3)) for name in ("I", "II", "V1"))


def write(path: Path, n: int = 4, n_times: int = 700) -> None:
    rng = np.random.default_rng(0)
    walk = rng.integers(-9, 10, (3, n * n_times)).cumsum(axis=1).astype(np.int16)
    with ShardWriter(path, recipe={"units": "mV"}) as writer:
        for i in range(n):
            stream = Stream(500.0, CHANNELS, walk[:, i * n_times : (i + 1) * n_times], 1e-3, 0.0)
            notes = [Annotation(0.1, 0.0, "N")]
            writer.add(Recording(f"r{i}", [stream], Subject(f"s{i}", 50.0, "male"), annotations=notes))


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "a.h5")
    build_index(tmp_path)
    return tmp_path


def flip(path: Path, good: bytes, at: int) -> None:
    damaged = bytearray(good)
    damaged[at] ^= 1 << (at % 8)
    path.write_bytes(damaged)


def test_every_flipped_byte_is_found_and_those_in_samples_name_the_recording(folder):
    path = folder / "a.h5"
    good = path.read_bytes()
    assert check_shards(folder).problems == []
    with h5py.File(path) as file:
        dataset = file["samples/int16x3"]
        infos = [dataset.id.get_chunk_info(i) for i in range(dataset.id.get_num_chunks())]
        chunks = [(c.byte_offset, c.byte_offset + c.size) for c in infos]
        block = dataset.chunks[1]
    anywhere = range(0, len(good), len(good) // 200)
    inside = [(a + at, i) for i, (a, b) in enumerate(chunks) for at in range(0, b - a, max((b - a) // 15, 1))]
    for at in [*anywhere, *(at for at, _ in inside)]:
        flip(path, good, at)
        problems = check_shards(folder).problems
        assert problems, at
        assert all(problem.file == str(path) for problem in problems)
        chunk = next((i for i, (a, b) in enumerate(chunks) if a <= at < b), None)
        if chunk is None:
            assert problems[0].recording is None
        else:
            first, last = chunk * block // 700, min((chunk + 1) * block - 1, 4 * 700 - 1) // 700
            assert [problem.recording for problem in problems] == [f"r{i}" for i in range(first, last + 1)]


@pytest.mark.slow
def test_every_single_byte(folder):
    path = folder / "a.h5"
    good = path.read_bytes()
    for at in range(len(good)):
        flip(path, good, at)
        assert check_shards(folder).problems, at


def test_reading_damaged_samples_never_returns_numbers(folder):
    path = folder / "a.h5"
    good = path.read_bytes()
    with h5py.File(path) as file:
        info = file["samples/int16x3"].id.get_chunk_info(0)
    flip(path, good, info.byte_offset + info.size // 2)
    with pytest.raises(UnreadableError, match=r"r0.*a\.h5"):
        open_shards(folder)[0].read()


@pytest.mark.parametrize("part", [0, 1, 100, 0.3, 0.9, -1])
def test_a_truncated_shard_is_one_sentence(folder, part):
    path = folder / "a.h5"
    good = path.read_bytes()
    path.write_bytes(good[: int(part * len(good)) if isinstance(part, float) else part])
    (problem,) = check_shards(folder).problems
    assert problem.file == str(path)
    (folder / "index.parquet").unlink()
    with pytest.raises(UnreadableError, match=r"a\.h5"):
        open_shards(folder)


def edit(path: Path, change) -> None:
    with h5py.File(path, "r+") as file:
        change(file)


def test_a_newer_version_is_refused(folder):
    edit(folder / "a.h5", lambda file: file.attrs.__setitem__("version", 3))
    with pytest.raises(UnreadableError, match=r"version 3.*update"):
        open_shards(folder / "a.h5")


def test_a_foreign_hdf5_file_is_refused(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["tracings"] = np.zeros((3, 4))
    with pytest.raises(UnreadableError, match=r"x\.h5 is an HDF5 file but no biosig-shard"):
        open_shards(tmp_path / "x.h5")


def external_link(file):
    del file["streams/scale"]
    file["streams/scale"] = h5py.ExternalLink("secret.h5", "/x")


def soft_link(file):
    del file["samples"]
    file["samples"] = h5py.SoftLink("/streams")


def external_storage(file):
    shape, dtype = file["streams/scale"].shape, file["streams/scale"].dtype
    del file["streams/scale"]
    file.create_dataset("streams/scale", shape, dtype, external=[("/etc/hostname", 0, 96)])


def virtual(file):
    layout = h5py.VirtualLayout(file["streams/scale"].shape, np.float64)
    layout[:] = h5py.VirtualSource("secret.h5", "x", file["streams/scale"].shape)
    del file["streams/scale"]
    file.create_virtual_dataset("streams/scale", layout)


def out_of_range(file):
    n_times = file["streams/n_times"][()]
    del file["streams/n_times"]
    file["streams/n_times"] = n_times * 2


def wrong_text(file):
    del file["recordings/labels"]
    file["recordings/labels"] = np.frombuffer(b"[1, {", np.uint8)


def wrong_label_type(file):
    del file["recordings/labels"]
    file["recordings/labels"] = np.frombuffer(b"[1,2,3,4]", np.uint8)


def absent_column(file):
    del file["channels/kind"]


HOSTILE = (
    external_link,
    soft_link,
    external_storage,
    virtual,
    out_of_range,
    wrong_text,
    wrong_label_type,
    absent_column,
)


@pytest.mark.parametrize("change", HOSTILE)
def test_a_crafted_shard_is_refused_and_leads_nowhere(tmp_path, change):
    write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = np.zeros(12)
    edit(tmp_path / "a.h5", change)
    (tmp_path / "a.h5.sha256").unlink()
    with pytest.raises(BiosigError, match=r"a\.h5"):
        open_shards(tmp_path / "a.h5")[0].read()
    assert check_shards(tmp_path / "a.h5").problems


def test_index_and_shards_must_agree(folder):
    write(folder / "b.h5", n=1)
    messages = [str(problem) for problem in check_shards(folder).problems]
    assert any("b.h5, recording 'r0': the id is also used" in message for message in messages)
    (folder / "b.h5").unlink()
    (folder / "c.h5").write_bytes((folder / "a.h5").read_bytes())
    (folder / "a.h5").unlink()
    (folder / "c.h5.sha256").write_text((folder / "a.h5.sha256").read_text().replace("a.h5", "c.h5"))
    problems = {Path(p.file).name: p.message for p in check_shards(folder).problems}
    assert "it is gone" in problems["a.h5"]
    assert "not in the index" in problems["c.h5"]
    build_index(folder)
    assert check_shards(folder).problems == []
    (folder / "c.h5").unlink()
    write(folder / "c.h5", n=3)
    (problem,) = check_shards(folder).problems
    assert "other things" in problem.message
    (folder / "index.parquet").write_bytes(b"PAR1 nonsense")
    (problem,) = check_shards(folder).problems
    assert "not a readable index" in problem.message
    (folder / "index.parquet").unlink()
    (problem,) = check_shards(folder).problems
    assert "build_index" in problem.message


def test_the_verb_prints_a_verdict_and_returns_the_status(folder, capsys):
    assert verify(folder) == 0
    assert capsys.readouterr().out == "1 shard, 4 recordings: all sound.\n"
    path = folder / "a.h5"
    path.write_bytes(path.read_bytes()[:-5])
    assert verify(folder) == 1
    assert "a.h5" in capsys.readouterr().out
    with pytest.raises(UsageError, match="does not exist"):
        verify(folder / "no")


def test_a_missing_side_car_is_reported(folder):
    (folder / "a.h5.sha256").unlink()
    (problem,) = check_shards(folder).problems
    assert "a.h5.sha256 is missing" in problem.message


@pytest.mark.parametrize("name", ["a.h5.sha256", "index.parquet", "index.parquet.sha256"])
def test_every_byte_beside_the_shards_is_checked(folder, name):
    file = folder / name
    good = file.read_bytes()
    for at in range(0, len(good), 1 + len(good) // 80):
        flip(file, good, at)
        assert check_shards(folder).problems, at
    file.write_bytes(good)
    assert not check_shards(folder).problems


def test_a_damaged_index_is_told_by_whoever_reads_the_damaged_part(folder):
    """Who opens the folder reads all but the fingerprints, and who looks for copies reads these."""
    path = folder / "index.parquet"
    good, digest = path.read_bytes(), (folder / "index.parquet.sha256").read_text().split()
    first, stop = map(int, digest[-1].split("-"))
    fingerprints = open_shards(folder).fingerprints
    for at in range(0, len(good), 17):
        flip(path, good, at)
        if first <= at < stop:
            ds = open_shards(folder)
            with pytest.raises(UnreadableError, match="index"):
                _ = ds.fingerprints
        else:
            with pytest.raises(UnreadableError, match="index"):
                open_shards(folder)
    path.write_bytes(good)
    assert open_shards(folder).fingerprints == fingerprints


def test_an_index_without_its_side_car_is_read_all_the_same(folder):
    (folder / "index.parquet.sha256").unlink()
    assert not check_shards(folder).problems
    build_index(folder)
    assert (folder / "index.parquet.sha256").exists()


def test_a_folder_in_place_of_a_shard_is_told(folder):
    (folder / "a.h5").unlink()
    (folder / "a.h5").mkdir()
    problems = check_shards(folder).problems
    assert any(problem.file.endswith("a.h5") and "cannot be read" in problem.message for problem in problems)
