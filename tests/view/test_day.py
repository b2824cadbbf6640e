"""A day of 64 channels: opened at once, turned page by page, seen as a whole. Figures: `benchmarks/view.py`."""

import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.view import TURN, make_day
from tests.view.looking import Client

SLOWEST_START, SLOWEST_TURN = 20.0, 2000.0
"""s and ms on a machine that does much else; docs/view.md has the goals."""


@pytest.mark.slow
def test_a_day_of_64_channels_scrolls(look, tmp_path):
    path = tmp_path / "day.edf"
    make_day(path, 24)
    try:
        start = time.monotonic()
        looker = look(path, width=1400)
        rows = looker.view()["rows"]
        assert time.monotonic() - start < SLOWEST_START
        assert len(rows) == 64
        assert rows[0]["mode"] == "raw"
        turns = [looker.page.evaluate(TURN.replace("KEY", "PageDown")) for _ in range(30)]
        assert np.percentile(turns, 95) < SLOWEST_TURN
        looker.choose("Page", value="all")
        looker.until("!window.biosig.view.rows[0].gaps.length && window.biosig.view.rows[0].columns.length > 900", 600)
        client: Client = looker.client
        header, arrays = client.signal(step=60.0, first=0, n=1440)
        assert header["exact"] is False
        assert np.isfinite(arrays["columns"][1:3]).all()
        assert not (tmp_path / "day.edf.npy").exists()
        assert list(Path(tmp_path / "cache").glob("*/meta.json"))
    finally:
        path.unlink()
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
