"""Fine-tuning of public encoders: what gradients reach, and that a step changes that and no more."""

import pytest
import torch
from zoo_cases import FAMILIES, HERE, SMALL, cases, channels, prepared, state_of

from biosig.downstream.finetune.classifier import Classifier
from biosig.downstream.finetune.config import FineTuneStage
from biosig.downstream.finetune.lora import merge
from biosig.downstream.finetune.losses import TaskLoss
from biosig.downstream.finetune.stages import make_trainable
from biosig.errors import UsageError
from biosig.models.zoo import ENCODERS
from biosig.models.zoo.model import random_model

ATTENTION = ("kim", "labram", "cbramod")


def a_classifier(model):
    torch.manual_seed(0)
    encoder = random_model(ENCODERS[FAMILIES[model]].of(state_of(cases(model)[SMALL[model]]), "here")).encoder
    return Classifier(encoder, TaskLoss("classes", ("a", "b")), "cls")


def a_step(classifier, model):
    """Gradients of the vector reach what is trained, and change it."""
    case = cases(model)[SMALL[model]]
    network = classifier.encoder.module
    before = {name: value.clone() for name, value in network.state_dict().items()}
    _, vector = network(torch.from_numpy(prepared(case)), channels(case))
    vector.square().sum().backward()
    trained = [p for p in classifier.encoder.parameters() if p.grad is not None]
    assert all(p.requires_grad for p in trained)
    torch.optim.SGD(trained, lr=0.1 / max(float(p.grad.abs().max()) for p in trained)).step()
    return before


def changed(before, after):
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


@pytest.mark.parametrize("model", HERE)
def test_the_last_blocks_change_and_no_others(model):
    classifier = a_classifier(model)
    assert make_trainable(classifier, FineTuneStage(1e-3, 1, method="last", blocks=1), [0]) is None
    found = changed(a_step(classifier, model), classifier.encoder.module.state_dict())
    blocks, after = classifier.encoder.module.parts()
    last = {id(p) for module in (blocks[-1], *after) for p in module.parameters()}
    allowed = {name for name, p in classifier.encoder.module.named_parameters() if id(p) in last}
    assert found
    assert found <= allowed
    with pytest.raises(UsageError, match=r"the model has \d+ blocks: give fewer"):
        make_trainable(a_classifier(model), FineTuneStage(1e-3, 1, method="last", blocks=len(blocks) + 1), [0])


@pytest.mark.parametrize("model", HERE)
def test_lora_changes_attention_alone_and_is_refused_where_there_is_none(model):
    classifier = a_classifier(model)
    stage = FineTuneStage(1e-3, 1, method="lora", rank=2)
    if model not in ATTENTION:
        with pytest.raises(UsageError, match="has no attention, and LoRA changes nothing else"):
            make_trainable(classifier, stage, [0])
        return
    plain = {name: value.clone() for name, value in classifier.encoder.module.state_dict().items()}
    adapted = make_trainable(classifier, stage, [0])
    a_step(classifier, model)
    merged = merge(adapted).module.state_dict()
    assert merged.keys() == plain.keys()
    found = changed(plain, merged)
    assert found
    assert all(name.endswith(("attention.qkv.weight", "attention.out.weight")) for name in found)


def test_papageis_norms_keep_their_statistics_in_training():
    classifier = a_classifier("papagei")
    make_trainable(classifier, FineTuneStage(1e-3, 1, method="full"), [0])
    classifier.train()
    x = torch.from_numpy(prepared(cases("papagei")[SMALL["papagei"]]))
    network = classifier.encoder.module
    before = {name: value.clone() for name, value in network.named_buffers()}
    with torch.no_grad():
        alone, together = network(x, [0])[1], network(torch.cat([x, 5 * x]), [0])[1]
    torch.testing.assert_close(together[:1], alone, rtol=1e-5, atol=1e-6)
    assert not changed(before, dict(network.named_buffers()))
