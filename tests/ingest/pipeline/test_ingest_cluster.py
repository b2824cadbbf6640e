"""The same ingest on a Dask cluster, here of two processes of this machine."""

import logging
import shutil

import pytest

import biosig
from biosig import samples
from biosig.errors import UsageError
from biosig.shards.verify import check_shards
from ingest.cli.ingest import ingest
from ingest.pipeline.workers import connect

distributed = pytest.importorskip("distributed", reason="needs the extra 'dask'")
ECG = samples.path("ptbxl") / "records100"


@pytest.fixture(scope="module")
def scheduler():
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": logging.CRITICAL}
    with distributed.LocalCluster(**options) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "secret.key"
    path.write_text("00112233445566778899aabbccddeeff")
    return path


def test_a_cluster_gives_what_one_process_gives(scheduler, key, tmp_path):
    clinic = tmp_path / "clinic"
    shutil.copytree(ECG, clinic)
    broken = sorted(clinic.rglob("*.dat"))[3]
    broken.write_bytes(broken.read_bytes()[:100])
    here, cluster = tmp_path / "here", tmp_path / "there"
    assert ingest((clinic,), out=here, workers=1, key=key) == 1
    assert ingest((clinic,), out=cluster, scheduler=scheduler, key=key) == 1
    a, b = (biosig.open_shards(out).to_pandas().sort_values("recording") for out in (here, cluster))
    assert a["checksum"].tolist() == b["checksum"].tolist()
    assert len(set(b["shard"])) > 1
    assert check_shards(cluster).problems == []
    assert (here / "failures.parquet").read_bytes() == (cluster / "failures.parquet").read_bytes()


def test_a_cluster_goes_on_where_a_run_broke_off(scheduler, key, tmp_path):
    first = sorted(ECG.rglob("*.hea"))[:5]
    assert ingest((ECG,), out=tmp_path / "whole", scheduler=scheduler, key=key) == 0
    clinic = tmp_path / "records100"
    shutil.copytree(
        ECG, clinic, ignore=lambda _, names: [n for n in names if n.split(".")[0] in {p.stem for p in first}]
    )
    out = tmp_path / "out"
    assert ingest((clinic,), out=out, workers=1, key=key) == 0
    shutil.rmtree(clinic)
    shutil.copytree(ECG, clinic)
    assert ingest((clinic,), out=out, scheduler=scheduler, resume=True, key=key) == 0
    checksums = [set(biosig.open_shards(d).to_pandas()["checksum"]) for d in (out, tmp_path / "whole")]
    assert checksums[0] == checksums[1]
    assert check_shards(out).problems == []


def test_an_address_where_nobody_answers():
    with pytest.raises(UsageError, match="No Dask scheduler answers"), connect("tcp://127.0.0.1:9", timeout=0.2):
        pass
