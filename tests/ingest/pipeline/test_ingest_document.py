"""The example that docs/ingest.md begins with, done as it stands there."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from biosig.cli import main

TEXT = (Path(__file__).parents[3] / "docs" / "ingest.md").read_text(encoding="utf-8")


def test_the_first_ingest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ward").mkdir()
    mapping, python = (re.search(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)[1] for language in ("yaml", "python"))
    (tmp_path / "ward" / "biosig.yaml").write_text(mapping)
    for name in ("p01", "p02"):
        rows = (f"{i / 125:.3f},{np.sin(i / 7):.2f},{500 + i % 40}\n" for i in range(1250))
        (tmp_path / "ward" / f"{name}.csv").write_text("t,II,PLETH\n" + "".join(rows))
    (tmp_path / "people.csv").write_text(
        "file,patient,age,sex,diagnosis\np01.csv,17,61,F,healthy\np02.csv,18,58,M,AF\n"
    )
    commands = re.findall(r"^    biosig ([^#\n]+)", TEXT.partition("## A first ingest")[2], re.MULTILINE)[:3]
    assert [command.split()[0] for command in commands] == ["inspect", "ingest", "verify"]
    for command in commands:
        with pytest.raises(SystemExit, match=r"^0$"):
            main(shlex.split(command))
    names = {}
    exec(python, names)
    assert (names["recording"].id, names["recording"].subject.age) == ("p02", 58)
    assert {path.name for path in tmp_path.iterdir()} == {"ward", "people.csv", "shards", "shards.key"}
