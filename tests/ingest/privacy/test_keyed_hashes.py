"""Digests of sources and, where asked, of samples: under the key, and what then still works."""

import hashlib
import re

import numpy as np
import pyarrow.parquet as pq
import pytest

import biosig
from biosig.errors import UsageError
from biosig.evaluate.ledger import Ledger, overlap
from biosig.reading import read
from ingest.cli.ingest import ingest

KEY = "0123456789abcdef" * 4


@pytest.fixture
def source(tmp_path):
    """Two records with equal samples under two names, and one of another person."""
    folder = tmp_path / "source"
    folder.mkdir()
    x = np.random.default_rng(0).integers(-999, 999, (2, 5000)).astype("<i2")
    for name, row in (("r1", 0), ("r2", 0), ("r3", 1)):
        (folder / f"{name}.dat").write_bytes(x[row].tobytes())
        (folder / f"{name}.hea").write_text(f"{name} 1 500 5000\n{name}.dat 16 1000/mV 16 0 0 0 0 II\n")
    (tmp_path / "key").write_text(KEY)
    return folder


def ingested(source, out, key=None, **options):
    assert ingest((source,), out=out, key=key or source.parent / "key", workers=1, **options) == 0
    return biosig.open_shards(out)


def test_the_digest_of_source_files_needs_the_key(source, tmp_path):
    ds = ingested(source, tmp_path / "a")
    again = ingested(source, tmp_path / "b")
    (tmp_path / "other").write_text(KEY[::-1])
    elsewhere = ingested(source, tmp_path / "c", tmp_path / "other")
    digests = [[r.read().source.sha256 for r in one] for one in (ds, again, elsewhere)]
    assert all(re.fullmatch(r"keyed:[0-9a-f]{64}", digest) for digest in digests[0])
    assert digests[0] == digests[1]
    assert not set(digests[0]) & set(digests[2])
    plain = [hashlib.sha256((source / f"{n}.hea").read_bytes() + (source / f"{n}.dat").read_bytes()) for n in ("r1",)]
    stored = b"".join(path.read_bytes() for path in (tmp_path / "a").iterdir())
    assert read(source / "r1.hea").source.sha256 == plain[0].hexdigest()
    assert plain[0].hexdigest().encode() not in stored


def test_open_hashes_agree_under_any_key(source, tmp_path):
    (tmp_path / "other").write_text(KEY[::-1])
    one, other = ingested(source, tmp_path / "a"), ingested(source, tmp_path / "b", tmp_path / "other")
    assert (
        [r.content_hash for r in one]
        == [r.content_hash for r in other]
        == [read(source / f"{name}.hea").content_hash for name in ("r1", "r2", "r3")]
    )


def test_keyed_hashes_tell_nothing_outside_and_the_screen_says_what_they_cost(source, tmp_path, capsys):
    ds = ingested(source, tmp_path / "a", content_hash="keyed")
    printed = " ".join(capsys.readouterr().out.split())
    assert all(word in printed for word in ("Content hashes are keyed", "ledgers", "near copies", "folds"))
    hashes = [r.content_hash for r in ds]
    assert all(content.startswith("keyed:") for content in hashes)
    assert not any(ds.fingerprints)
    assert hashes[0] == hashes[1] != hashes[2]
    assert pq.read_table(tmp_path / "a" / "duplicates.parquet")["kind"].to_pylist() == ["equal"]
    stored = b"".join(path.read_bytes() for path in (tmp_path / "a").iterdir())
    assert read(source / "r1.hea").content_hash.encode() not in stored


def test_keyed_hashes_go_on_and_are_not_mixed_with_open_ones(source, tmp_path):
    ingested(source, tmp_path / "a", content_hash="keyed")
    ingested(source, tmp_path / "a", content_hash="keyed", resume=True)
    with pytest.raises(UsageError, match="other --content-hash"):
        ingested(source, tmp_path / "a", resume=True)
    (source / "r3.hea").rename(source / "r4.hea")
    (source / "r4.hea").write_text((source / "r4.hea").read_text().replace("r3 1", "r4 1"))
    assert ingest((source,), out=tmp_path / "a", key=tmp_path / "key", content_hash="keyed", resume=True) == 1
    assert "holds the same samples" in pq.read_table(tmp_path / "a" / "failures.parquet")["sentence"][0].as_py()


def test_a_folder_from_before_the_option_is_one_of_open_hashes(source, tmp_path):
    ingested(source, tmp_path / "a")
    options = tmp_path / "a" / "options.json"
    options.write_text(options.read_text().replace('"content_hash": "open"', '"x": ""'))
    (tmp_path / "a" / "SHA256SUMS").unlink()  # which guards a folder of now
    ingested(source, tmp_path / "a", resume=True)


def test_a_ledger_says_that_it_cannot_tell_of_keyed_hashes(source, tmp_path):
    keyed, plain = ingested(source, tmp_path / "a", content_hash="keyed"), ingested(source, tmp_path / "b")
    hashes = [r.content_hash for r in keyed]
    ledger = Ledger.of(hashes, [], keyed.fingerprints)
    assert (len(ledger.recordings), len(ledger.landmarks), ledger.complete) == (0, 0, False)
    Ledger.of([r.content_hash for r in plain], [], plain.fingerprints).save(tmp_path)
    found = overlap(tmp_path, hashes, [], None, keyed.fingerprints)
    assert not found
    assert "3 have no content hash to tell by, or a keyed one" in found.sentence()
