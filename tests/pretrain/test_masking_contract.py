"""Every masking of the registry keeps the contract, and maskings that break it are found out."""

from dataclasses import dataclass, make_dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from contracts.maskings import CLAUSES, check_masking

from biosig.pretrain.masking import MASKINGS, Masking

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.__name__.removeprefix("check_"))
@pytest.mark.parametrize("name", MASKINGS)
def test_a_masking_keeps_each_clause(name, clause):
    clause(MASKINGS[name]())


@dataclass(frozen=True)
class Sound(Masking):
    """Hides single tokens of each window, drawn one by one."""

    name: ClassVar[str] = "planted"
    mask_ratio: float = 0.5

    def __call__(self, batch, rng):
        mask = torch.zeros(batch.n_tokens, dtype=torch.bool)
        for window in range(batch.n_windows):
            rows = np.flatnonzero(batch.valid & (batch.window == window) & (batch.modality != 3))
            mask[rng.permutation(rows)[: round(self.mask_ratio * len(rows))]] = True
        return mask


class Less(Sound):
    def __call__(self, batch, rng):
        return super().__call__(batch, rng) & torch.from_numpy(rng.random(batch.n_tokens) < 0.8)


class Everything(Sound):
    def __call__(self, batch, rng):
        return batch.valid.clone()


class Invalid(Sound):
    def __call__(self, batch, rng):
        return super().__call__(batch, rng) | ~batch.valid


class Unseeded(Sound):
    def __call__(self, batch, rng):
        return super().__call__(batch, np.random.default_rng())


class Fixed(Sound):
    def __call__(self, batch, rng):
        return super().__call__(batch, np.random.default_rng(0))


class Sociable(Sound):
    """Hides more of a window that has company."""

    def __call__(self, batch, rng):
        ratio = 0.5 if batch.n_windows > 1 else 0.3
        return Sound.__call__(replace(self, mask_ratio=ratio), batch, rng)


class Peeping(Sound):
    """Hides where the signal is large."""

    def __call__(self, batch, rng):
        seed = int(1e3 * abs(sum(float(x.sum()) for x in batch.patches.values())))
        return super().__call__(batch, np.random.default_rng([seed, rng.integers(1000)]))


class Numbers(Sound):
    def __call__(self, batch, rng):
        return super().__call__(batch, rng).float()


BROKEN = {
    Less: "not 0.5",
    Everything: "nothing of window 0 is visible",
    Invalid: "not valid",
    Unseeded: "the same seed",
    Fixed: "no seed changes",
    Sociable: "depends on its batch",
    Peeping: "samples change the mask",
    Numbers: "a mask is of bool",
}


@pytest.fixture
def planted(monkeypatch):
    """Registers a masking for one test."""
    list(MASKINGS)
    monkeypatch.setattr(MASKINGS, "_members", {**MASKINGS._members})
    return lambda cls: MASKINGS.register(make_dataclass(cls.__name__, [], bases=(cls,), frozen=True))()


def test_a_sound_masking_of_another_package_keeps_the_contract(planted):
    check_masking(planted(Sound))


@pytest.mark.parametrize("cls", BROKEN, ids=lambda cls: cls.__name__)
def test_a_masking_that_breaks_the_contract_is_found_out(cls, planted):
    with pytest.raises(AssertionError, match=BROKEN[cls]):
        check_masking(planted(cls))
