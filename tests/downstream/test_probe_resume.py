"""A probe that is killed goes on, and ends with the bits of one that was not."""

import json
import shutil
import warnings

import pandas as pd
import pytest

from biosig import config as configuration
from biosig.downstream.probe import ProbeConfig, run_probe
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
        "network": {"lr": 1e-3, "epochs": 2, "patience": 9, "mixup": False},
        "layer": "validation",
        "shots": [2, "all"],
        "n_bootstrap": 100,
        "out": str(out),
        **changes,
    }
    return configuration.load(ProbeConfig, values)


def _equal(one, other):
    """Whether two result folders hold the same numbers, facts and tables, bit for bit."""
    predictions = [pd.read_parquet(out / "predictions.parquet") for out in (one, other)]
    pd.testing.assert_frame_equal(*predictions, check_exact=True)
    for name in ("metrics.json", "splits.json", "tables/layers.csv", "tables/shots.csv"):
        assert (one / name).read_text() == (other / name).read_text()
    assert len(json.loads((one / "metrics.json").read_text())["fits"]) == 4


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
    told, starts = [], 0

    def stopping(*what):
        told.extend([what] if what[0] != "prepare" else [])
        if len(told) == starts:  # each start comes one step further
            raise _Stop

    while not (tmp_path / "stopped").exists():
        starts += 1
        assert starts < 30
        told.clear()
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

    for name in ("biosig.embedding.embed_windows", "biosig.downstream.probing.fit_probe"):
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


def test_what_another_probe_has_left_is_not_gone_on_with(few_channels, undisturbed, tmp_path):
    shutil.copytree(undisturbed / ".half.partial", tmp_path / ".half.partial")
    with pytest.raises(UsageError, match="unfinished run of another kind, which differs in layer: give another"):
        run_probe(_config(few_channels, tmp_path / "half", layer=-1))
