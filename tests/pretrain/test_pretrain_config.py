"""Configurations of pretraining resolve to the classes that are meant."""

import dataclasses
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from biosig import config
from biosig.errors import UsageError
from biosig.pretrain.config import PretrainConfig
from biosig.pretrain.masking.blocks import BlockMasking
from biosig.pretrain.masking.csfm import CsfmMasking
from biosig.pretrain.masking.reve import ReveMasking
from biosig.pretrain.objectives import OBJECTIVES
from biosig.pretrain.objectives.configs.csfm import CsfmConfig
from biosig.pretrain.objectives.configs.decoder import DecoderConfig
from biosig.pretrain.objectives.configs.reconstruction import ReconstructionConfig
from biosig.pretrain.objectives.configs.reve import ReveConfig
from biosig.registry import Registry

CONFIGS = Path(__file__).parents[2] / "configs" / "pretrain"
SOURCES = {"out": "runs/a", "sources": [{"shards": "shards/a"}]}


@pytest.mark.parametrize(
    ("objective", "masking"), [("reconstruction", BlockMasking), ("reve", ReveMasking), ("csfm", CsfmMasking)]
)
@pytest.mark.parametrize("given", [None, {}, {"mask_ratio": 0.6}])
def test_an_objective_has_its_own_masking(objective, masking, given):
    values = {**SOURCES, "objective": objective} | ({} if given is None else {"masking": given})
    run = config.load(PretrainConfig, values)
    assert run.masking == masking(**(given or {}))
    assert config.load(PretrainConfig, config.to_dict(run)) == run


def test_a_masking_of_another_objective_is_chosen_by_name_or_by_keys_that_are_its_alone():
    for given in ({"name": "blocks"}, {"all_channels": 0.5, "mask_ratio": 0.55}):
        run = config.load(PretrainConfig, {**SOURCES, "objective": "reve", "masking": given})
        assert isinstance(run.masking, BlockMasking)


@pytest.mark.parametrize(
    ("masking", "sentence"),
    [
        ({"foo": 1}, "Unknown key 'masking.foo' for ReveMasking; known keys are .*radius_time"),
        ({"name": "tubes"}, "masking.name is 'tubes'; there is no such masking, there are .*blocks"),
    ],
)
def test_an_unknown_masking_is_refused_by_name(masking, sentence):
    with pytest.raises(UsageError, match=sentence):
        config.load(PretrainConfig, {**SOURCES, "objective": "reve", "masking": masking})


OLD = {
    **SOURCES,
    "decoder": {"embed_dim": 32, "depth": 1, "num_heads": 2},
    "global_weight": 0.2,
    "text_weight": 0.3,
}
SMALL = DecoderConfig(32, 1, 2)


@pytest.mark.parametrize(
    ("objective", "term"), [("reconstruction", ReconstructionConfig), ("reve", ReveConfig), ("csfm", CsfmConfig)]
)
def test_keys_of_the_first_version_are_read_as_those_of_its_term(objective, term):
    expected = (term(decoder=SMALL, global_weight=0.2, text_weight=0.3),)
    run = config.load(PretrainConfig, OLD | {"objective": objective})
    assert run.objective == expected
    assert "decoder" not in config.to_dict(run)
    assert config.load(PretrainConfig, config.to_dict(run)) == run
    assert config.load(PretrainConfig, OLD, [f"objective={objective}"]).objective == expected
    assert config.load(PretrainConfig, {**SOURCES, "objective": objective}).objective == (term(),)


NEW = {"name": "reve", "decoder": {"embed_dim": 32}}


@pytest.mark.parametrize(
    "values", [OLD, {"objective": NEW}, {"objective": [NEW]}, {"objective": "reve"}, {}, {"global_weight": 0.2}]
)
@pytest.mark.parametrize("key", ["decoder.depth", "objective.decoder.depth"])
def test_an_override_of_the_decoder_reaches_it_in_either_spelling(values, key):
    before = config.load(PretrainConfig, SOURCES | values).objective
    if isinstance(values.get("objective"), list):
        key = key.replace("objective.", "objective.0.")
    if values == OLD and key.startswith("objective"):
        with pytest.raises(UsageError, match="decoder is given beside the objective and in it"):
            config.load(PretrainConfig, SOURCES | values, [f"{key}=3"])
        return
    (after,) = config.load(PretrainConfig, SOURCES | values, [f"{key}=3"]).objective
    assert after.decoder.depth == 3
    assert replace(after, decoder=replace(after.decoder, depth=before[0].decoder.depth)) == before[0]


@pytest.mark.parametrize(
    ("values", "overrides", "sentence"),
    [
        ({"decoder": {"depth": 1}, "objective": NEW}, [], "decoder is given beside the objective and in it: leave"),
        ({"text_weight": 1.0, "objective": [NEW, "csfm"]}, [], "text_weight stands beside an objective of 2 terms"),
        ({"objective": []}, [], "The objective has no term"),
        ({"objective": "tokens"}, [], r"objective\[0\].name is 'tokens'; there is no such objective, there are .*reve"),
        ({"objective": 3}, [], r"objective\[0\] is 3, where a name, or keys with values, was expected"),
        ({"objective": {"weight": 0}}, [], "The weight of the term reconstruction is 0; it must be positive"),
        ({"objective": {"teacher": 0.9}}, [], r"Unknown key 'objective\[0\].teacher'.*known keys are decoder, glob"),
        ({"teacher": {"momentum": 0.9}}, [], "No term of the objective reconstruction looks at a teacher"),
        ({"objective": [NEW]}, ["objective.decoder.depth=3"], "objective is a list: write objective.0.decoder.depth"),
    ],
)
def test_an_objective_that_cannot_be_meant_is_refused_in_a_sentence(values, overrides, sentence):
    with pytest.raises(UsageError, match=sentence):
        config.load(PretrainConfig, SOURCES | values, overrides)


def test_the_masking_is_that_of_the_first_term():
    for terms, masking in (([NEW, "reconstruction"], ReveMasking), (["reconstruction", NEW], BlockMasking)):
        run = config.load(PretrainConfig, {**SOURCES, "objective": terms, "masking": {"mask_ratio": 0.7}})
        assert run.masking == masking(mask_ratio=0.7)
        assert PretrainConfig(run.out, run.sources, objective=run.objective).masking == masking()


def _configurations(cls: type, seen: set[type]) -> set[type]:
    """A configuration class and those that its fields may hold, the members of registries among them."""
    if cls in seen or not dataclasses.is_dataclass(cls):
        return seen
    seen.add(cls)
    todo = list(get_type_hints(cls, include_extras=True).values())
    while todo:
        hint = todo.pop()
        if isinstance(hint, Registry):
            for name in hint:
                _configurations(hint[name], seen)
        elif isinstance(hint, type):
            _configurations(hint, seen)
        todo += get_args(hint)
        todo += getattr(hint, "__metadata__", ())
    return seen


def test_no_module_of_a_configuration_imports_torch_scipy_or_sklearn():
    """Found by the fields of the run's configuration: each in a Python of its own."""
    modules = sorted({cls.__module__ for cls in _configurations(PretrainConfig, set())})
    assert "biosig.pretrain.masking.csfm" in modules
    assert "biosig.pretrain.objectives.configs.decoder" in modules
    code = "import sys, {}; print({{'torch', 'scipy', 'sklearn'}} & set(sys.modules))"
    for module in modules:
        found = subprocess.run([sys.executable, "-c", code.format(module)], capture_output=True, text=True, check=True)
        assert found.stdout == "set()\n", f"{module} imports {found.stdout}"


def test_every_shipped_configuration_is_checked_without_torch():
    code = (
        "import sys; from pathlib import Path; from biosig import config; "
        "from biosig.pretrain.config import PretrainConfig\n"
        f"for path in Path({str(CONFIGS)!r}).glob('*.yaml'): config.load(PretrainConfig, path)\n"
        "assert not {'torch', 'scipy', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_configuration_of_the_page_is_one(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "pretraining.md").read_text(encoding="utf-8")
    path = tmp_path / "run.yaml"
    path.write_text(page.split("```yaml\n")[1].split("```")[0])
    run = config.load(PretrainConfig, path)
    assert [term.name for term in run.objective] == ["features", "average_waveform", "criteria"]
    named = set(re.findall(r"`(\w+)`", page.split("## Terms")[1].split("\n\n")[1]))
    assert named >= set(OBJECTIVES), "a term is not on the page"
