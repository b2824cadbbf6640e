"""The README's commands run as they stand there."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from biosig import samples
from biosig.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
VERBS = ["inspect", "ingest", "verify", "export", "pretrain", "embed", "probe", "finetune", "audit"]


def block(language):
    return re.search(rf"```{language}\n(.*?)```", README, re.DOTALL).group(1)


def test_the_main_job_in_ten_lines(capsys):
    code = block("python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "00001_lr" in printed
    assert "torch.Size([1, 1, 125, 128]) torch.Size([1, 128])" in printed


def test_its_commands_name_verbs_options_and_files_that_exist(capsys):
    """What `make test` holds of the commands; `make test-slow` runs them, and the demo does their work."""
    lines = [shlex.split(line, comments=True) for line in block("sh").splitlines()]
    assert [line[1] for line in lines] == VERBS
    for line in lines:
        with pytest.raises(SystemExit) as ended:
            main([line[1], "--help"])
        assert ended.value.code == 0
        options = {word for word in line if word.startswith("--")}
        assert options <= set(re.findall(r"--[a-z-]+", capsys.readouterr().out)), line
        for word in line[2:]:
            assert not word.startswith("configs/") or (ROOT / word).is_file(), word


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_from_files_to_a_tested_claim(tmp_path):
    shutil.copytree(samples.path("eegmmidb"), tmp_path / "eegmmidb")
    shutil.copy(tmp_path / "eegmmidb" / "S001R04.edf", tmp_path)
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    quick = ["model=biosig-tiny", "steps=2", "batch_tokens=600", "window=4.0", "sources=[{shards: shards/eeg}]"]
    printed = {}
    for line in block("sh").splitlines():
        command = shlex.split(line, comments=True)
        if command[1] == "pretrain":
            command += quick
        if command[1] == "probe":
            command += ["n_bootstrap=100"]
        if command[1] == "audit":
            command += ["n_bootstrap=100", "n_permutations=20"]
        if command[1] == "finetune":
            command += ["n_bootstrap=100", "probe.epochs=1", "tune.epochs=1", "seeds=[0]", "baselines=[chance]"]
        run = [sys.executable, "-c", "from biosig.cli import main; main()", *command[1:]]
        done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
        # The model was pretrained on the recordings that it is then tested on, which the audit must find.
        expected = 1 if command[1] == "audit" else 0
        assert done.returncode == expected, f"{line}\n{done.stdout}\n{done.stderr}"
        printed[command[1]] = done.stdout
    assert list(printed) == VERBS
    assert "chance" in printed["finetune"]
    assert "No subject is in two parts" in printed["audit"]
    assert "fail: Pretraining saw 6 of the 7 recordings" in printed["audit"]


def test_its_links_lead_somewhere():
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))):
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_make_names_both_commands():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
        assert f"    make {target} " in README
