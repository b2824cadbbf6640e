"""The files of docs/extending.md, installed as packages of somebody else, keep the contracts of their registries."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(# file: .*?)```", PAGE, re.DOTALL)

ARGUMENTS = {
    "biosig.adapters": """
import numpy as np
from pathlib import Path
import biosig
from biosig import samples
stream = biosig.read(samples.path("ptbxl") / "records100" / "00000" / "00001_lr.hea").streams[0]
counts = (stream.physical() * 1000).round().astype(int)
path = Path("recording.sig")
rows = [" ".join(map(str, row)) for row in counts.T]
path.write_text("\\n".join(["100", " ".join(stream.ch_names), " ".join(["uV"] * 12), *rows]))
values = [(name, x / 1000) for name, x in zip(stream.ch_names, counts)]
arguments = [path, values, True, Path("out")]
""",
}
"""Code that makes what the contract of a group needs beside the member's name."""


def parts(block):
    """The file's name, its entry point's group, name and value, and its text."""
    file, point = re.match(r"# file: (\S+)\n# entry point: (.+)\n", block).groups()
    group, name, value = re.fullmatch(r"(\S+) (\S+) = (\S+)", point).groups()
    return file, group, name, value, block


def install(folder, file, group, name, value, text):
    """Lay the file into `folder` as pip would lay it into site-packages."""
    (folder / file).write_text(text, encoding="utf-8")
    about = folder / f"{file.removesuffix('.py')}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {file.removesuffix('.py')}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n")


@pytest.mark.parametrize("block", BLOCKS, ids=[parts(block)[2] for block in BLOCKS])
def test_an_example_is_found_and_keeps_the_contract(block, tmp_path):
    assert block.count("\n") <= 40
    assert "ingest" not in block
    site = tmp_path / "site"
    site.mkdir()
    _, group, name, _, _ = parts(block)
    install(site, *parts(block))
    kind = group.removeprefix("biosig.")
    code = (
        f"{ARGUMENTS.get(group, 'arguments = []')}\nfrom contracts.{kind} import check\ncheck({name!r}, *arguments)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (site, ROOT, ROOT / "tests")))}
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


KINDS = ["adapters", "presets", "objectives", "maskings", "readouts", "metrics", "baselines"]


@pytest.mark.parametrize("group", [f"biosig.{kind}" for kind in KINDS])
def test_each_registry_has_an_example(group):
    assert group in {parts(block)[1] for block in BLOCKS}
