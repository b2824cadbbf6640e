"""`biosig doctor`: facts of this installation, and advice where something is absent or slow."""

import re

import pytest
import torch

from biosig import doctor
from biosig.cli.doctor import doctor as verb


def by_name(facts):
    return {fact.name: fact for fact in facts}


def test_it_finds_what_is_installed_and_how_threads_stand():
    facts = by_name(doctor.examine(trial=False))
    assert facts["torch"].value == torch.__version__
    assert facts["threads of torch"].value == str(torch.get_num_threads())
    assert {"python", "cores", "attention", "codecs of shards"} <= facts.keys()
    assert all(fact.advice for fact in facts.values() if fact.state == "slow")


def test_an_absent_extra_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(doctor, "version_of", lambda name: None if name == "peft" else "1.0")
    fact = by_name(doctor.examine(trial=False))["peft [peft]"]
    assert fact.state == "absent"
    assert "pip install 'biosig-fm[peft]'" in fact.value


def test_every_extra_of_the_package_is_looked_for():
    found = doctor.requirements()
    assert "torch" in found[""]
    assert {"peft", "dask", "xdf", "dicom", "notebooks"} <= found.keys()


def test_one_thread_beside_more_cores_is_slow_and_says_what_to_set(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.setattr(doctor, "usable_cores", lambda: 8)
    fact = by_name(doctor.examine(trial=False))["threads of torch"]
    assert fact.state == "slow"
    assert "set it to 8" in fact.advice


@pytest.mark.parametrize("text", ["MemAvailable:   2000000 kB\n", "nothing\n"])
def test_little_memory_is_told_where_the_system_tells(text, monkeypatch, tmp_path):
    (tmp_path / "meminfo").write_text(text)
    monkeypatch.setattr(doctor, "MEMINFO", tmp_path / "meminfo")
    facts = by_name(doctor.examine(trial=False))
    if "MemAvailable" in text:
        assert facts["free memory"].state == "slow"
    else:
        assert "free memory" not in facts


def test_the_verb_prints_topics_and_the_trial_of_precisions(capsys):
    assert verb() == 0
    out = capsys.readouterr().out
    assert [word for word in out.splitlines() if word.strip() in ("installation", "packages", "machine", "backends")]
    assert re.search(r"a step of biosig-tiny +[\d.e-]+ s in float32, [\d.e-]+ s in bfloat16", out)
