"""Configurations of what ships give the losses that stand beside them, on the sample recordings, on any machine."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from first_losses import STEPS, beside, losses_of  # noqa: E402

CONFIGS = [path for path in sorted((ROOT / "configs" / "pretrain").glob("*.yaml")) if beside(path).exists()]


def test_what_ships_has_losses_beside_its_configuration():
    assert CONFIGS
    for path in CONFIGS:
        found = json.loads(beside(path).read_text(encoding="utf-8"))
        assert str(STEPS) in found["train"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_sixty_steps_give_the_losses_that_stand_beside_the_configuration(path, tmp_path):
    expected, found = json.loads(beside(path).read_text(encoding="utf-8")), losses_of(path, tmp_path)
    assert found.keys() == expected.keys()
    for part, losses in expected.items():
        assert found[part] == pytest.approx(losses, rel=0.01), f"{part} losses of {path.name}"
