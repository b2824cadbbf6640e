"""Every shipped configuration keeps the contract, and one that breaks it fails."""

import pytest
import yaml
from contracts import configs
from contracts.configs import CONFIGS, ROOT, check

from biosig.errors import UsageError


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_shipped_configuration_keeps_the_contract(path):
    check(path)


def test_each_folder_of_them_is_read():
    folders = {path.name for path in (ROOT / "configs").iterdir() if path.is_dir()}
    assert {path.parent.name for path in CONFIGS} == folders


NORMAL = (ROOT / "configs" / "probe" / "ptbxl-normal.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("folder", "more", "sentence"),
    [
        ("probe", "seed: 0\n", "leave seed out, or say why"),
        ("probe", "split: {folds: 3}\n", "split has no name and was loaded as folds"),
        ("probe", "split: {name: folds, parts: 3}\n", "Unknown key 'split.parts'"),
        ("retrieval", "", "RetrievalConfig"),
        ("unheard", "", "the folder 'unheard' has no class"),
    ],
)
def test_a_configuration_that_breaks_the_contract_fails_it(folder, more, sentence, tmp_path):
    path = tmp_path / folder / "broken.yaml"
    path.parent.mkdir()
    path.write_text(NORMAL + more, encoding="utf-8")
    with pytest.raises((AssertionError, UsageError), match=sentence):
        check(path)


def test_a_default_with_its_reason_behind_it_may_stand(tmp_path):
    path = tmp_path / "probe" / "said.yaml"
    path.parent.mkdir()
    path.write_text(NORMAL + "seed: 0  # of the folds\n", encoding="utf-8")
    check(path)


def test_a_key_in_a_group_is_found_with_its_path():
    text = "a: 1  # why\nb:\n  c: 2\n  d: {e: 3, f: 4}  # why\n"
    assert yaml.safe_load(text)
    assert list(configs.uncommented(text)) == [("b", "c")]
