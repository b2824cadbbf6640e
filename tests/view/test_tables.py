"""The map of an embedding table, and the worst errors of a result."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from biosig.errors import UsageError
from biosig.view.embeddings import Map
from biosig.view.results import Errors
from tests.view.looking import wfdb_record

RESULT = Path(__file__).parent.parent / "fixtures" / "0.1.0" / "results" / "probe"


def table_of(folder, n=5000, dim=64, seed=0, **columns):
    x = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    x[:, 0] *= 5
    x[7] = x[3]  # a tie
    table = pa.table(
        {
            "recording": [f"r{i % 3}" for i in range(n)],
            "onset": [2.0 * (i // 3) for i in range(n)],
            "duration": [2.0] * n,
            "modality": ["ecg"] * n,
            "label": [("a", "b", "c")[i % 3] for i in range(n)],
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), dim),
            **columns,
        }
    )
    pq.write_table(table, folder / "embeddings.parquet")
    return folder / "embeddings.parquet", x


@pytest.mark.parametrize("row", [3, 7, 0, 4999])
def test_neighbours_are_those_of_all_dimensions(tmp_path, row):
    path, x = table_of(tmp_path)
    found = Map(path).row(row)["neighbours"]
    unit = x.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    distance = 1 - unit @ unit[row]
    order = [i for i in np.lexsort((np.arange(len(x)), np.round(distance, 9))) if i != row][:10]
    assert [each["row"] for each in found] == order
    np.testing.assert_allclose([each["distance"] for each in found], distance[order], atol=1e-6)


def test_the_map_is_the_principal_components(tmp_path):
    path, x = table_of(tmp_path)
    points = Map(path).points()
    centred = x - x.mean(0)
    _, s, axes = np.linalg.svd(centred.astype(np.float64), full_matrices=False)
    for place, axis in zip((points["x"], points["y"]), axes, strict=False):
        assert abs(np.corrcoef(place, centred @ axis)[0, 1]) > 0.999
    share = s**2 / (s**2).sum()
    assert f"PCA: {100 * share[0]:.1f} % and {100 * share[1]:.1f} %" in points["note"]
    assert points["shown"] == "5,000 of 5,000"
    assert "label" in points["columns"]
    assert "vector" not in points["columns"]


def test_a_sample_of_many_rows_is_seeded_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr("biosig.view.embeddings.MOST_POINTS", 100)
    path, _ = table_of(tmp_path, n=1000)
    one, two = Map(path).points(), Map(path).points()
    assert "100 of 1,000 (a sample, drawn with seed 0)" in one["note"]
    np.testing.assert_array_equal(one["rows"], two["rows"])
    assert one["rows"].max() > 900


def test_classes_and_numbers_colour(tmp_path):
    path, _ = table_of(tmp_path, n=300, age=list(np.arange(300.0)))
    found = Map(path)
    assert found.colour("label")["classes"] == ["a", "b", "c"]
    assert len(found.colour("age")["numbers"]) == 300
    with pytest.raises(UsageError, match="no column"):
        found.colour("nothing")


def test_other_tables_are_refused(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "t.parquet")
    with pytest.raises(UsageError, match="not a table of embeddings"):
        Map(tmp_path / "t.parquet")


def test_a_map_finds_the_recordings_that_are_named(serve, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    for i in range(3):
        wfdb_record(folder, f"r{i}", {"II": np.arange(5000)}, 500, "mV")
    path, _ = table_of(tmp_path, n=30)
    found = serve(path, signals=folder).json("/api/map/row", row=4)
    assert (found["recording"], found["number"]) == ("r1", 1)


def test_errors_are_sorted_by_loss():
    errors = Errors(RESULT)
    found = errors.worst("model", 500)
    losses = [each["loss"] for each in found["errors"]]
    assert losses == sorted(losses, reverse=True)
    for each in found["errors"]:
        probability = each["prediction"][f"score_{each['truth']['y']}"]
        assert each["loss"] == pytest.approx(-np.log(probability))
    assert found["n_windows"] == len(found["errors"])
    assert errors.summary()["scores"] == json.loads((RESULT / "metrics.json").read_text())["scores"]


def test_errors_of_one_person_are_counted():
    found = Errors(RESULT).worst("model", 10)["errors"]
    for each in found:
        assert each["person_errors"] == sum(other["subject"] == each["subject"] for other in found)
