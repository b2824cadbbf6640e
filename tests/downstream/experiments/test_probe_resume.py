"""A probe that is killed goes on, and ends with the bits of one that was not."""

import json
import shutil
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from biosig import config as configuration
from biosig.downstream.experiments.probe import ProbeConfig, run_probe
from biosig.downstream.results.saved import open_result
from biosig.downstream.results.scores import rate
from biosig.errors import UsageError
from biosig.file_sums import DamagedWorkWarning


def _config(shards, out, **changes):
    values = {
        "model": "biosig-tiny",
        "shards": str(shards.folder),
        "target": {"events": {"left": ["T1"], "right": ["T2"]}},
        "windows": {"after": 2.0},
        "split": {"folds": 2, "validation": 0.34},
        "baselines": ["chance", "random_weights", "shallow"],
        "draws": 2,
        "fuse": [["model", "random_weights"], ["shallow", "model"]],
        "network": {"lr": 1e-3, "epochs": 2, "patience": 9, "mixup": False},
        "layer": "validation",
        "shots": [2, "all"],
        "n_bootstrap": 100,
        "out": str(out),
        **changes,
    }
    return configuration.load(ProbeConfig, values)


def _equal(one, other):
    """True if two result folders hold the same numbers, facts and tables, bit for bit."""
    predictions = [pd.read_parquet(out / "predictions.parquet") for out in (one, other)]
    pd.testing.assert_frame_equal(*predictions, check_exact=True)
    for name in ("metrics.json", "splits.json", "tables/layers.csv", "tables/shots.csv"):
        assert (one / name).read_text() == (other / name).read_text()
    assert len(json.loads((one / "metrics.json").read_text())["fits"]) == 6


class _Stop(BaseException):
    """As abrupt as Ctrl-C."""


@pytest.fixture(scope="module")
def undisturbed(few_channels, tmp_path_factory):
    """A result, and an unfinished probe of the same, stopped in its last method."""
    folder = tmp_path_factory.mktemp("undisturbed")
    run_probe(_config(few_channels, folder / "whole"))

    def stopping(stage, *_):
        if stage == "shallow, fold 1, seed 0":
            raise _Stop

    with pytest.raises(_Stop):
        run_probe(_config(few_channels, folder / "half"), stopping)
    return folder


def test_a_probe_that_is_stopped_anywhere_ends_with_the_same_bits(few_channels, undisturbed, tmp_path):
    calls, starts = [], 0

    def stopping(*what):
        calls.extend([what] if what[0] != "prepare" else [])
        if len(calls) == starts:  # each start comes one step further
            raise _Stop

    while not (tmp_path / "stopped").exists():
        starts += 1
        assert starts < 30
        calls.clear()
        try:
            run_probe(_config(few_channels, tmp_path / "stopped"), stopping)
        except _Stop:
            continue
    assert starts >= 3
    _equal(undisturbed / "whole", tmp_path / "stopped")
    assert [path.name for path in tmp_path.iterdir()] == ["stopped"]


def test_what_is_finished_is_not_made_again(few_channels, undisturbed, tmp_path, monkeypatch):
    shutil.copytree(undisturbed / ".half.partial", tmp_path / ".half.partial")

    def never(*_, **__):
        pytest.fail("was made again")

    for name in ("biosig.embedding.embed_windows", "biosig.downstream.probe.frozen_probe.fit_probe"):
        monkeypatch.setattr(name, never)
    run_probe(_config(few_channels, tmp_path / "half"))
    _equal(undisturbed / "whole", tmp_path / "half")


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("model/features-0.parquet", "gone"),
        ("model/features-1.parquet", "flipped"),
        ("model/fit-1.safetensors", "flipped"),
        ("model/shots.parquet", "short"),
        ("random_weights/fit-0.safetensors", "doubled"),
        ("random_weights-1/features-1.parquet", "gone"),
        ("shallow/fold-0-seed-0.safetensors", "flipped"),
    ],
)
def test_work_that_is_not_whole_is_named_and_made_again(few_channels, undisturbed, tmp_path, name, how):
    path = shutil.copytree(undisturbed / ".half.partial", tmp_path / ".half.partial") / "work" / name
    content = path.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes({"flipped": flipped, "short": content[:-9], "doubled": content * 2}[how])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run_probe(_config(few_channels, tmp_path / "half"))
    assert [w for w in caught if w.category is DamagedWorkWarning and name in str(w.message)]
    _equal(undisturbed / "whole", tmp_path / "half")


def test_draws_of_random_weights_are_rated_by_the_mean_of_their_scores(few_channels, undisturbed):
    result = open_result(undisturbed / "whole")
    predictions = result.predictions
    seeds = {name: sorted(set(rows["seed"])) for name, rows in predictions.groupby("method")}
    fused = "model + random_weights"
    drawn = {"random_weights": [1, 2], fused: [1, 2]}
    assert seeds == {"model": [0], "chance": [0], "shallow": [0], "shallow + model": [0], **drawn}
    scores = result.scores.set_index(["method", "metric"])
    for name in drawn:
        assert scores.loc[(name, "auroc"), "n_seeds"] == 2
        draws = [
            rate(predictions[(predictions["method"] == name) & (predictions["seed"] == seed)], result.scoring)[0]
            for seed in (1, 2)
        ]
        each = [table.set_index("metric").loc["auroc", "value"] for table in draws]
        assert each[0] != each[1]
        assert scores.loc[(name, "auroc"), "value"] == pytest.approx(np.mean(each))
    fits = [fit["seed"] for fit in result.metrics["fits"] if fit["method"] == "random_weights"]
    assert fits == [1, 1, 2, 2]
    assert "same encoder, random weights" in (undisturbed / "whole" / "report.html").read_text()
    once = _config(few_channels, "", draws=1, fuse=[], baselines=["random_weights"], shots=[])
    first = run_probe(replace(once, out=None))
    alone, among = (
        table[table["method"] == "random_weights"].reset_index(drop=True)
        for table in (first.predictions, predictions[predictions["seed"] == 1])
    )
    pd.testing.assert_frame_equal(alone, among.drop(columns="seed"), check_exact=True)


def test_a_pair_without_its_row_is_refused_before_the_work(few_channels, tmp_path):
    fuse = [["handmade", "model"]]
    with pytest.raises(UsageError, match=r"names 'handmade', which is not a row .* model, chance, random_weights"):
        run_probe(_config(few_channels, tmp_path / "result", fuse=fuse))
    with pytest.raises(UsageError, match="draws is 0"):
        _config(few_channels, tmp_path / "result", draws=0)


def test_what_another_probe_has_left_is_not_gone_on_with(few_channels, undisturbed, tmp_path):
    shutil.copytree(undisturbed / ".half.partial", tmp_path / ".half.partial")
    with pytest.raises(UsageError, match="unfinished run of another kind, which differs in layer: give another"):
        run_probe(_config(few_channels, tmp_path / "half", layer=-1))
