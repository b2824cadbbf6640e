"""A bench of two small tasks on the sample recordings."""

from pathlib import Path

import pytest

from biosig import config as configuration
from biosig.bench.config import BenchConfig
from tests.labelled_shards import ecg_shards, eeg_shards, few_channels

__all__ = ["bench_config", "ecg_shards", "eeg_shards", "few_channels"]


@pytest.fixture(scope="session")
def bench_config(ecg_shards, few_channels, tmp_path_factory):
    """A function (out, changes) → the configuration of two tasks, one of them with conditions."""
    root = tmp_path_factory.mktemp("shards")
    (root / "ecg").symlink_to(Path(ecg_shards.folder), target_is_directory=True)
    (root / "eeg").symlink_to(Path(few_channels.folder), target_is_directory=True)

    def make(out, **changes):
        values = {
            "model": "biosig-tiny",
            "shards": str(root),
            "out": str(out),
            "groups": ["frozen", "features"],
            "layer": -1,
            "draws": 2,
            "n_bootstrap": 200,
            "tasks": {
                "sex": {
                    "title": "Sex",
                    "shards": "ecg",
                    "target": {"label": "sex", "classes": {"female": ["female"], "male": ["male"]}},
                    "windows": {"length": 5.0, "max_windows": 1},
                    "split": {"name": "folds", "folds": 2, "validation": 0.34},
                    "primary": True,
                    "conditions": {"lead I": {"channels": ["I"]}, "4 known": {"known": 4}},
                },
                "hands": {
                    "title": "Left against right",
                    "shards": "eeg",
                    "target": {"events": {"left": ["T1"], "right": ["T2"]}},
                    "windows": {"after": 2.0},
                    "split": {"name": "folds", "folds": 2, "validation": 0.34},
                    "per_person": True,
                },
            },
            **changes,
        }
        return configuration.load(BenchConfig, values)

    return make
