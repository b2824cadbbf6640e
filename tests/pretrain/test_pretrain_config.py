"""Configurations of pretraining resolve to the classes that are meant."""

import pytest

from biosig import config
from biosig.errors import UsageError
from biosig.pretrain.config import PretrainConfig
from biosig.pretrain.masking.blocks import BlockMasking
from biosig.pretrain.masking.csfm import CsfmMasking
from biosig.pretrain.masking.reve import ReveMasking

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
        ({"name": "tubes"}, "masking.name is 'tubes'.*there are blocks, csfm, reve"),
    ],
)
def test_an_unknown_masking_is_refused_by_name(masking, sentence):
    with pytest.raises(UsageError, match=sentence):
        config.load(PretrainConfig, {**SOURCES, "objective": "reve", "masking": masking})
