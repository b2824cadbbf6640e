"""The metric and the baseline of docs/extending.md, installed as packages of somebody else, keep the contracts."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCKS = {
    group: (file, name, value, block)
    for block in re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "extending.md").read_text("utf-8"), re.DOTALL)
    for file, group, name, value in re.findall(r"# file: (\S+)\n# entry point: (\S+) (\S+) = (\S+)\n", block)
}


@pytest.mark.parametrize("kind", ["metrics", "baselines"])
def test_an_example_is_found_and_keeps_the_contract(kind, tmp_path):
    file, name, value, block = BLOCKS[f"biosig.{kind}"]
    assert block.count("\n") <= 40
    about = tmp_path / f"{Path(file).stem}-1.0.dist-info"
    about.mkdir()
    (tmp_path / file).write_text(block, "utf-8")
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {Path(file).stem}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[biosig.{kind}]\n{name} = {value}\n")
    paths = os.pathsep.join(map(str, (tmp_path, ROOT, ROOT / "tests")))
    code = f"from contracts.{kind} import check; check({name!r})"
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
