"""The folder of task configurations: each is whole, and labels the recordings at hand."""

import pytest

from biosig import config as configuration
from biosig.downstream.baselines.defaults import default_baselines, modalities_of
from biosig.downstream.data.task import open_task
from biosig.downstream.experiments.probe import ProbeConfig

KINDS = {
    "bidmc-heart-rate": "number",
    "bidmc-respiratory-rate": "number",
    "chagas": "classes",
    "cinc2021": "multilabel",
    "eegmat": "classes",
    "eegmmidb-fists-feet": "classes",
    "eegmmidb-left-right": "classes",
    "eegmmidb-rest-imagery": "classes",
    "mitdb-beats": "classes",
    "ptbxl-age": "number",
    "ptbxl-sex": "classes",
    "ptbxl-superclasses": "multilabel",
}


@pytest.fixture(scope="module")
def configs(request):
    folder = request.config.rootpath / "configs" / "tasks"
    return {path.stem: configuration.load(ProbeConfig, path) for path in sorted(folder.glob("*.yaml"))}


def test_every_configuration_loads_and_leaves_all_baselines_in(configs):
    assert {name: config.target.kind for name, config in configs.items()} == KINDS
    for config in configs.values():
        assert config.baselines is None
        assert not config.skip_baselines
        assert config.layer is None  # as the weights name it, which ship with a readout
        assert config.pooling is None


def test_no_recording_is_told_by_its_length_or_its_source(configs):
    assert configs["chagas"].windows.max_windows == 1
    assert configs["chagas"].query == "source == 'CODE-15%'"
    assert configs["eegmat"].windows.max_windows * configs["eegmat"].windows.length <= 62  # s, the shorter recordings


@pytest.mark.parametrize("name", [name for name in KINDS if name.startswith(("ptbxl", "eegmmidb"))])
def test_the_shipped_recordings_give_the_task_its_windows(configs, name, ecg_shards, eeg_shards):
    config, shards = configs[name], ecg_shards if name.startswith("ptbxl") else eeg_shards
    task = open_task(str(shards.folder), config.query, config.target, config.windows)
    assert all(group["n_subjects"] >= 5 for group in task.cohort().values())
    modalities = modalities_of(task.labelled.windows.ds, ("ecg", "ppg", "eeg"))
    assert {"handmade", "shallow" if "eeg" in modalities else "xresnet"} <= set(
        default_baselines(config.target.kind, modalities, demographics=False)
    )
