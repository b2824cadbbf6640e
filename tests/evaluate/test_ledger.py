"""The ledger knows a recording again, whatever it is called and however it was saved, in little room."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import biosig
from biosig import samples
from biosig.errors import DataError, UnreadableError
from biosig.evaluate import hash_set as digest_set
from biosig.evaluate.hash_set import DigestSet
from biosig.evaluate.ledger import Ledger, overlap
from biosig.export.recording_files import export_recording
from biosig.recording import Subject
from biosig.shards import ShardWriter, build_index, open_shards


def digests(start, stop):
    return [hashlib.sha256(str(i).encode()).hexdigest() for i in range(start, stop)]


def keys(n, seed):
    """The prefixes of so many digests, without the minute that hashing takes: SHA-256 is as uniform."""
    return np.sort(np.random.default_rng(seed).integers(0, 2**digest_set.PREFIX_BITS, n, np.uint64))


@pytest.mark.parametrize("exact", [True, False])
def test_members_are_always_found_and_others_are_not(exact, monkeypatch):
    monkeypatch.setattr(digest_set, "EXACT_UP_TO", 5000 if exact else 100)
    members = DigestSet.of(digests(0, 3000) + digests(0, 10))
    assert members.exact is exact
    assert len(members) == 3000
    assert members.contains(digests(0, 3000)).all()
    assert not members.contains(digests(3000, 6000)).any()
    again = DigestSet.from_arrays("x", members.to_arrays("x"))
    assert again.keys.dtype == members.keys.dtype
    assert (again.keys == members.keys).all()
    assert not DigestSet.of([]).contains(digests(0, 2)).any()


def test_a_union_holds_both_and_counts_once_what_is_in_both(monkeypatch):
    small, large = DigestSet.of(digests(0, 50)), DigestSet.of(digests(40, 2000))
    assert (small | large).exact
    assert len(small | large) == 2000
    monkeypatch.setattr(digest_set, "EXACT_UP_TO", 100)
    shortened = DigestSet.of(digests(1000, 3000))
    assert len(large | shortened) == 2960
    assert (large | shortened).contains(digests(40, 3000)).all()
    assert len(shortened | shortened) == 2000
    assert len(shortened | DigestSet.of([])) == len(DigestSet.of([]) | shortened) == 2000


def test_ten_million_hashes_fit_into_32_megabytes_at_the_stated_error(tmp_path):
    members = DigestSet(keys(10_000_000, 0))
    path = Ledger(members, DigestSet.of(digests(0, 1000))).save(tmp_path)
    assert path.stat().st_size <= 32_000_000
    loaded = Ledger.load(tmp_path).recordings
    assert np.array_equal(loaded.keys, members.keys)
    assert loaded.false_positive_rate == pytest.approx(2.27e-6, rel=0.01)
    others = keys(4_000_000, 1)
    found = int((members.keys[np.searchsorted(members.keys[:-1], others)] == others).sum())
    assert abs(found - 9.1) < 4 * np.sqrt(9.1)  # as many as the rate says, give or take
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))["__metadata__"]
    assert header["recordings.false_positive_rate"] == "2.3e-06"


@pytest.fixture
def seen(tmp_path):
    """A checkpoint folder whose weights have seen three ECGs, and the shard folder of those and a stranger."""
    folder = tmp_path / "model"
    ecgs = [biosig.read(path) for path in sorted(samples.path("ptbxl").rglob("*_lr.hea"))[:4]]
    Ledger.of([ecg.content_hash for ecg in ecgs[:3]], ["P1", "P2", None]).save(folder)
    return folder, ecgs


def shards_of(recordings, folder):
    folder.mkdir()
    with ShardWriter(folder / "a.h5", recipe={}) as writer:
        for recording in recordings:
            writer.add(recording)
    build_index(folder)
    return open_shards(folder)


def test_test_recordings_renamed_and_saved_in_another_format_are_named(seen, tmp_path):
    folder, ecgs = seen
    again = []
    for number, (ecg, form) in enumerate(zip(ecgs, ("edf", "edf", "wfdb", "edf"), strict=True)):
        files = export_recording(ecg, tmp_path, form, f"stranger-{number}").files
        path = next(file for file in files if file.suffix in (".edf", ".hea"))
        again.append(replace(biosig.read(path), id=f"stranger-{number}", subject=Subject(f"X{number}")))
    stream = again[1].streams[0]  # with twice the gain, and channels in another order
    turned = replace(stream, samples=(stream.samples * 2).astype(np.int16), scale=stream.scale / 2).pick(
        range(12)[::-1]
    )
    again[1] = replace(again[1], streams=[turned], content_hash=biosig.content_hash.content_hash([turned]))
    ds = shards_of(again, tmp_path / "shards")
    found = overlap(folder, [r.content_hash for r in ds], [r.subject.id for r in ds], [r.id for r in ds])
    assert found.recordings == ("stranger-0", "stranger-1", "stranger-2")
    assert found.subjects == ()
    assert "3 of the 4 recordings (stranger-0, stranger-1, stranger-2)" in found.sentence()
    with pytest.raises(DataError, match=r"stranger-0.*leave these out"):
        found.refuse()


def test_a_subject_that_was_seen_is_named_though_its_recording_was_not(seen):
    folder, ecgs = seen
    found = overlap(folder, [ecgs[3].content_hash], ["P2", "P2", "P9"])
    assert (found.recordings, found.subjects, found.n_subjects) == ((), ("P2",), 2)
    none = overlap(folder, [ecgs[3].content_hash, ""], ["P9"])
    assert not none
    none.refuse()
    assert "saw none of the 2 recordings" in none.sentence()
    assert "1 have no content hash" in none.sentence()


def test_an_old_ledger_is_still_read_and_a_damaged_one_is_an_error(tmp_path, seen):
    old = tmp_path / "old"
    old.mkdir()
    table = pa.table({"content_hash": digests(0, 5), "subject": ["a", None, "b", "a", "c"]})
    pq.write_table(table, old / "seen.parquet")
    found = overlap(old, digests(4, 8), ["a", "z"])
    assert found.recordings == (digests(4, 5)[0][:12],)
    assert found.subjects == ("a",)
    assert overlap(tmp_path, digests(0, 1), ["a"]) is None
    (old / "seen.parquet").write_bytes(b"no ledger")
    with pytest.raises(UnreadableError, match="copy it again"):
        overlap(old, digests(4, 8), ["a"])
    (seen[0] / "seen.safetensors").write_bytes(b"no ledger")
    with pytest.raises(UnreadableError, match="copy it again"):
        overlap(seen[0], digests(0, 1), [])


def test_what_was_seen_without_a_content_hash_makes_the_ledger_say_that_it_is_incomplete(tmp_path):
    Ledger.of([*digests(0, 3), ""], []).save(tmp_path)
    assert "More was seen than is listed" in Ledger.load(tmp_path).sentence()
    assert "more than the model's ledger lists" in overlap(tmp_path, digests(7, 9), ["a"]).sentence()
