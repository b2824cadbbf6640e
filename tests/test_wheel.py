"""What `pip install` gives, with the network cut: the weights that ship embed a recording and warn of nothing."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from biosig import weights

ROOT = Path(__file__).parents[1]

EMBED = """
import sys, time, warnings

def cut(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise OSError(f"the network is cut: {event}{arguments}")

sys.addaudithook(cut)
import biosig
from biosig import samples
from biosig.embedding import embed
from biosig.models.load import load_model

assert biosig.__file__.startswith(sys.argv[1]), biosig.__file__
recording = biosig.read(sorted(samples.path("ptbxl").rglob("*_lr.hea"))[0])
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    began = time.perf_counter()
    table = biosig.embed(biosig.load_model("biosig"), recording)
    seconds = time.perf_counter() - began
assert not caught, [str(warning.message) for warning in caught]
assert len(table) == 1 and table["valid_fraction"][0].as_py() == 1.0
sys.stdout.write(f"{table['model'][0]} {table['model_revision'][0]}: {seconds:.2f} s\\n")
"""


@pytest.mark.slow
@pytest.mark.skipif(weights.find("biosig") is None, reason="biosig/weights holds no set that 'biosig' stands for yet")
def test_an_installed_wheel_embeds_without_network_and_without_a_warning(tmp_path, capsys):
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for room in ("biosig", "ingest"):
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    built = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(tmp_path), str(source)]
    subprocess.run(built, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    shipped = {
        path.relative_to(ROOT).as_posix() for name in weights.names() for path in (weights.ROOM / name).iterdir()
    }
    assert shipped <= inside
    site = tmp_path / "site"
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", str(site), str(wheel)], check=True)
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    embedded = subprocess.run(
        [sys.executable, "-c", EMBED, str(site)], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert embedded.returncode == 0, embedded.stderr
    with capsys.disabled():
        sys.stdout.write(f"\nload and embed 10 s of ECG after the imports, from the wheel: {embedded.stdout}")
