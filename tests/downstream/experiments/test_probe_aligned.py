"""A probe of aligned EEG: every row of the table reads the same, as if it had been stored aligned."""

from dataclasses import replace

import numpy as np
import pytest

import biosig
from biosig import config as configuration
from biosig.audit.config import read_config
from biosig.batches.alignment import aligned
from biosig.batches.windows import fixed_length_windows
from biosig.downstream.experiments.probe import ProbeConfig, run_probe
from biosig.errors import UsageError
from biosig.shards import ShardWriter, build_index

ROWS = ["model", "random_weights", "handmade", "tangent", "shallow"]


def _config(shards, **changes):
    values = {
        "model": "biosig-tiny",
        "shards": str(shards),
        "target": {"events": {"left": ["T1"], "right": ["T2"]}},
        "windows": {"after": 2.0},
        "split": {"folds": 2, "validation": 0.34},
        "baselines": ROWS[1:],
        "network": {"lr": 1e-3, "epochs": 1, "patience": 9, "mixup": False},
        "n_bootstrap": 100,
        **changes,
    }
    return configuration.load(ProbeConfig, values)


@pytest.fixture(scope="module")
def by_subject(few_channels, tmp_path_factory):
    out = tmp_path_factory.mktemp("results") / "aligned"
    return run_probe(_config(few_channels.folder, align="subject", out=str(out))), out


def test_all_rows_are_as_if_the_recordings_had_been_stored_aligned(by_subject, few_channels, tmp_path):
    with ShardWriter(tmp_path / "eeg.h5", recipe={}) as writer:
        ds = aligned(fixed_length_windows(few_channels, 2.0), "subject").ds
        for row in range(len(ds)):
            writer.add(replace(ds[row].read(), content_hash=few_channels[row].content_hash))
    build_index(tmp_path)
    stored = run_probe(_config(tmp_path)).predictions
    plain = run_probe(_config(few_channels.folder, baselines=["handmade"])).predictions
    key = ["recording", "onset"]
    for name in ROWS:
        mine, its = (
            table[table["method"] == name].sort_values(key)["score_left"].to_numpy()
            for table in (by_subject[0].predictions, stored)
        )
        np.testing.assert_allclose(mine, its, atol=2e-3, err_msg=name)
        if name in ("model", "handmade"):
            others = plain[plain["method"] == name].sort_values(key)["score_left"].to_numpy()
            assert np.abs(mine - others).max() > 0.02


def test_a_reader_is_told_and_an_audit_reads_the_same(by_subject):
    result, out = by_subject
    assert any("aligned by person, over whole recordings" in note for note in result.notes)
    assert read_config(out).align == "subject"
    again = run_probe(_config(result.config.shards, align="first_minute", baselines=[]))
    assert any("aligned by the first 60 s of each recording" in note for note in again.notes)


def test_a_probe_aligns_as_the_weights_name_it_unless_told_otherwise(by_subject, few_channels, ecg_shards):
    model = biosig.build_model("biosig-tiny", seed=0)
    contract = {**model.contract, "eeg": replace(model.contract["eeg"], align="subject")}
    model.encoder.config = replace(model.config, contract=contract)
    named = run_probe(_config(few_channels.folder, baselines=[]), model=model)
    assert named.config.align == "subject"
    assert any("aligned by person" in note for note in named.notes)
    mine, its = (r.predictions[r.predictions["method"] == "model"] for r in (named, by_subject[0]))
    np.testing.assert_allclose(mine["score_left"], its["score_left"], atol=1e-6)
    unaligned = run_probe(_config(few_channels.folder, baselines=[], align="none"), model=model)
    assert not any("aligned" in note for note in unaligned.notes)
    ecg_task = {"target": {"label": "age"}, "windows": {"length": 5.0}, "baselines": ["chance"]}
    assert run_probe(_config(ecg_shards.folder, **ecg_task), model=model).config.align == "none"


def test_data_without_eeg_are_refused(ecg_shards):
    changes = {"target": {"label": "age"}, "windows": {"length": 5.0}, "baselines": ["chance"]}
    with pytest.raises(UsageError, match=r"align=subject mixes EEG electrodes .* give align=none"):
        run_probe(_config(ecg_shards.folder, align="subject", **changes))
