"""Batches that are done a second time, as their worker died or was lost: what is published is counted and kept."""

import shutil

import pytest

import biosig
from biosig import samples
from biosig.shards.verify import check_shards
from ingest.pipeline import batch
from ingest.pipeline.batch import Job, Result, write_batch
from ingest.pipeline.discover import adapters_with, discover, with_ids
from ingest.pipeline.workers import Batch, run
from ingest.preprocess.recipe import Recipe
from ingest.privacy.pseudonyms import Pseudonyms

ECG = samples.path("ptbxl") / "records100" / "00000"


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Shards of two recordings each."""
    monkeypatch.setattr(batch, "SHARD_RECORDINGS", 2)
    (tmp_path / "out").mkdir()
    return Job(tmp_path / "out", Recipe(), Pseudonyms(b"x" * 32))


@pytest.fixture
def items(tmp_path):
    """Seven ECGs."""
    for i in range(7):
        header = (ECG / "00001_lr.hea").read_text().replace("00001_lr", f"r{i}")
        (tmp_path / f"r{i}.hea").write_text(header)
        shutil.copy(ECG / "00001_lr.dat", tmp_path / f"r{i}.dat")
    return with_ids(discover([tmp_path]).items, adapters_with(None))


class Deadly:
    """An executor whose worker dies at some files, with the shards before it published."""

    def __init__(self, job, *deadly):
        self.job, self.deadly, self.numbers = job, deadly, []

    def run(self, batches, alone):
        for one in batches:
            self.numbers.append(one.number)
            names = [item.name for item in one.items]
            fatal = min((names.index(name) for name in self.deadly if name in names), default=None)
            if fatal is None:
                yield one, write_batch(self.job, one.number, one.items, lambda: True)
            else:
                write_batch(self.job, one.number, one.items[: fatal - fatal % 2], lambda: True)
                yield one, None


def test_a_batch_done_twice_is_published_once(job, items):
    once = write_batch(job, 3, items[:5], lambda: True)
    again = write_batch(job, 3, items, lambda: True)
    assert (once.n_ingested, again.n_ingested) == (5, 7)
    assert (again.n_shards, again.kinds, again.without_subject) == (4, {"ecg": 7}, 7)
    assert again.seconds == pytest.approx(70)
    check_sound(job.out, 7)
    assert write_batch(job, 3, items, lambda: True) == again


def test_what_dead_workers_published_is_kept_and_no_number_is_used_again(job, items):
    executor = Deadly(job, "r4", "r6")
    total = Result()
    for result in run(job, executor, [Batch(0, tuple(items))]):
        total += result
    assert [failure.file.rsplit("/", 1)[-1] for failure in total.failures] == ["r4.hea", "r6.hea"]
    assert total.n_ingested == 5
    assert total.n_shards == len(list(job.out.glob("*.h5")))
    assert len(set(executor.numbers)) == len(executor.numbers)
    check_sound(job.out, 5)


def test_a_run_that_is_stopped_after_a_death_ends_there(job, items):
    class Stopped(Deadly):
        def run(self, batches, alone):
            yield from () if alone else super().run(batches, alone)

    total = Result()
    for result in run(job, Stopped(job, "r4"), [Batch(0, tuple(items))]):
        total += result
    assert (total.n_ingested, total.failures) == (4, [])


def check_sound(out, n_recordings):
    report = check_shards(out)
    assert (report.n_recordings, [p for p in report.problems if "index" not in p.message]) == (n_recordings, [])
    (out / "index.parquet").unlink(missing_ok=True)
    assert biosig.open_shards(out).to_pandas()["recording"].nunique() == n_recordings
    (out / "index.parquet").unlink(missing_ok=True)
