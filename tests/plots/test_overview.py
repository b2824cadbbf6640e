"""The README's picture can be drawn again from the sample recordings, and stays small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tools.make_overview_picture import COLOURS, WIDTH, main

COMMITTED = Path(__file__).parents[2] / "docs" / "images" / "overview.png"


def test_picture_is_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "images" / "overview.png"
    monkeypatch.setattr("sys.argv", ["overview", "--out", str(out)])
    main()
    image, committed = Image.open(out), Image.open(COMMITTED)
    assert image.width == committed.width == WIDTH
    assert abs(image.height - committed.height) < 30  # fonts differ between systems
    assert len(np.unique(np.asarray(image))) > COLOURS // 4  # not blank
    assert COMMITTED.stat().st_size < 300_000
