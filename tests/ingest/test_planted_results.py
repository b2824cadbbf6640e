"""Identifiers are planted in a hospital's files; none is found in what a model makes of its shards.

Embeddings, probes with their reports, tuned weights with their cards and ledgers, and predictions are searched.
"""

import re

import numpy as np
import pyarrow.parquet as pq
import pytest
from test_planted_identifiers import PLANTED, published

import biosig
from biosig import config as configuration
from biosig.cli.apply import embed, predict
from biosig.downstream.experiments.finetune import run_finetune
from biosig.downstream.experiments.probe import ProbeConfig, run_probe
from biosig.downstream.finetune.config import FineTuneConfig
from ingest.cli.ingest import ingest

PEOPLE = ("Mustermann", "Oskarsson", "Weber", "Lindqvist")


def record(ward, n):
    """Twelve seconds of II and V1 and of a channel that is called after somebody, in a header full of names."""
    rng = np.random.default_rng(n)
    beats = np.cumsum(rng.normal(0.8 - 0.2 * (n % 2), 0.02, 40))
    t = np.arange(1200) / 100
    x = sum(np.exp(-(((t - beat) / 0.02) ** 2)) for beat in beats) + 0.02 * rng.normal(size=len(t))
    name, person = f"{PEOPLE[n % 4]}_{n}_2013-05-24", f"{PEOPLE[n % 4]}, Erika"
    (ward / f"{name}.dat").write_bytes((1000 * np.column_stack((x, -0.5 * x, x))).astype("<i2").tobytes())
    (ward / f"{name}.hea").write_text(
        f"{name} 3 100 1200 17:33:05 24/05/2013\n{name}.dat 16 1000/mV 16 0 0 0 0 II\n"
        f"{name}.dat 16 1000/mV 16 0 0 0 0 V1\n{name}.dat 16 1000/mV 16 0 0 0 0 Dr. Weber 4711234\n"
        f"#Age: {40 + n}\n#Sex: {'FM'[n // 2 % 2]}\n#Name: {person}\n#DOB: 02.08.1951\n"
        "#Recorded on 24.05.2013 at 17:33 by Dr. Hagenbeck, MRN 4711234\n#QT 400 ms in V2\n"
    )
    report = f"EKG vom 24.05.2013, Frau {PEOPLE[n % 4]} (geb. 2. August 1951), Tel. 0815998877. Dr. Oskar Lindqvist"
    return f'{name},98765432-{PEOPLE[n % 4]}-{n},{"AF" if n % 2 else "SR"},"Dr. Hagenbeck, 17:33","{report}"'


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """The hospital's shards; its files lie beside them, in ward/Mustermann_Erika."""
    folder = tmp_path_factory.mktemp("hospital")
    ward = folder / "ward" / "Mustermann_Erika"
    ward.mkdir(parents=True)
    rows = [record(ward, n) for n in range(16)]
    table = folder / "labels.csv"
    table.write_text("\n".join(("file,patient_id,rhythm,seen_by,report", *rows)) + "\n")
    (folder / "spec.yaml").write_text("id_columns: [file]\nsubject_column: patient_id\nreport_column: report\n")
    out = folder / "shards"
    assert ingest((folder / "ward",), out=out, labels=(table,), labels_spec=folder / "spec.yaml", workers=1) == 0
    return out


@pytest.fixture(scope="module")
def tuned(shards):
    """Weights tuned on the hospital's rhythms, in a result folder."""
    values = {
        **task(shards), "out": str(shards.parent / "tuned"), "split": {"folds": 2, "validation": 0.25},
        "probe": {"epochs": 1}, "tune": {"epochs": 1, "method": "last"}, "baselines": ["chance"],
    }  # fmt: skip
    run_finetune(configuration.load(FineTuneConfig, values))
    return shards.parent / "tuned"


def task(shards):
    return {
        "model": "biosig-tiny", "shards": str(shards), "windows": {"length": 5.0}, "n_bootstrap": 100,
        "target": {"label": "rhythm", "classes": {"sinus": ["SR"], "fibrillation": ["AF"]}},
    }  # fmt: skip


DIGEST = re.compile(r"(?=[0-9a-f]*[a-f])[0-9a-f]{16,}")
"""Keyed by a random key, one in some hundred runs holds a planted number by chance."""


def found(folder):
    """Planted texts in the files of a folder and of those below it, with their surroundings."""
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    texts = [DIGEST.sub("", flat) for place in folders for flat in [published_files(place)]]
    return [text[max(m.start() - 60, 0) : m.end() + 20] for text in texts for m in PLANTED.finditer(text)]


def published_files(folder):
    """As `published`, of a folder that has folders."""
    out = folder / ".flat"
    out.mkdir()
    try:
        for path in folder.iterdir():
            if path.is_file() and path.suffix not in (".png", ".svg", ".safetensors"):
                (out / path.name).write_bytes(path.read_bytes())
        no_identifiers = r"\d+\.\d{6,}(e-?\d+)?|base64,[\w+/=]+"  # scores and pictures
        return re.sub(no_identifiers, "", published(out)).replace(str(folder.parent), "")
    finally:
        for path in out.iterdir():
            path.unlink()
        out.rmdir()


def test_shards_and_notes_hold_none(shards):
    ds = biosig.open_shards(shards)
    assert len(ds) == 16
    assert len(found(shards.parent / "ward")) > 16  # the search does find them
    assert found(shards) == []
    assert PLANTED.findall(" ".join(note for r in ds for note in (*r.read().notes, *r.read().history))) == []


def test_embeddings_hold_none(shards, tmp_path):
    out = tmp_path / "out" / "embeddings.parquet"
    assert embed("biosig-tiny", shards, out=out, window=5.0, reports=False) == 0
    assert len(pq.read_table(out)) >= 32
    assert found(out.parent) == []


def test_a_probe_and_its_report_hold_none(shards):
    out = shards.parent / "probe"
    values = {**task(shards), "out": str(out), "split": {"folds": 2}, "skip_baselines": ["xresnet"]}
    run_probe(configuration.load(ProbeConfig, values))
    assert (out / "report.html").is_file()
    assert found(out) == []


def test_tuned_weights_and_predictions_hold_none(shards, tuned, tmp_path):
    assert found(tuned) == []
    weights = sorted((tuned / "weights").glob("fold-*"))[0]
    (tmp_path / "out").mkdir()
    assert predict(weights, shards, out=tmp_path / "out" / "new.parquet") == 0
    assert found(tmp_path / "out") == []


def test_predictions_of_files_hold_the_names_of_files_and_nothing_else(shards, tuned, tmp_path):
    weights = sorted((tuned / "weights").glob("fold-*"))[0]
    out = tmp_path / "new.parquet"
    assert predict(weights, shards.parent / "ward", out=out) == 0
    table = pq.read_table(out)
    assert PLANTED.search(" ".join(table["recording"].to_pylist()))
    rest = table.drop(["recording"])
    assert PLANTED.findall(str(rest.schema.metadata) + str(rest.drop(["subject"]).to_pydict())) == []
