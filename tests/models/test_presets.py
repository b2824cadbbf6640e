"""Every preset keeps its contract; one more is found without being told, and one that breaks it fails."""

import subprocess
import sys
from dataclasses import replace

import pytest
from contracts.planted import planted
from contracts.presets import check

import biosig
from biosig.models.presets import PRESETS, Preset, preset


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_keeps_its_contract(name):
    check(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["biosig-base", "reve-base"])
def test_larger_presets_keep_it_when_they_are_built(name):
    check(name, most_built=100_000_000)


def small(n_parameters=None, tokenizer=False, **changes):
    """A small preset, with what a test changes of it."""
    config = replace(preset("biosig-tiny"), **{"embed_dim": 32, "depth": 1, "name": "biosig-mini", **changes})
    return Preset(config, n_parameters, tokenizer)


def test_a_preset_more_is_found_by_itself_and_needs_no_entry_elsewhere():
    with planted(PRESETS, small()) as name:
        assert name in {one.name for one in biosig.list_models()}
        check(name)


@pytest.mark.parametrize(
    "broken",
    [
        {"n_parameters": 989_568},
        {"tokenizer": True, "text": None},
        {"head_dim": 0},
        {"contract": {}},
        {"contract": {"ecg": replace(preset("biosig-tiny").contract["ecg"], clip=0.0)}},
    ],
)
def test_a_preset_that_breaks_the_contract_fails_it(broken):
    with planted(PRESETS, small(**broken)) as name, pytest.raises((AssertionError, ZeroDivisionError)):
        check(name)


def test_listing_presets_and_reading_a_configuration_needs_no_torch():
    code = (
        "import sys, biosig, biosig.config\n"
        "assert biosig.list_models()\n"
        "from biosig.models.config import EncoderConfig\n"
        "from biosig.models.presets import PRESETS, preset\n"
        "for name in PRESETS:\n"
        "    values = biosig.config.to_dict(preset(name))\n"
        "    assert biosig.config.load(EncoderConfig, values) == preset(name)\n"
        "print({'torch', 'scipy', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
