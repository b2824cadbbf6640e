"""A folder's list of checksums: what is damaged is named, what is edited is told, and a kill leaves no mismatch."""

import hashlib
import os
import shutil
import stat
import subprocess
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biosig.cli.data import verify
from biosig.errors import DataError, UnreadableError, UsageError
from biosig.evaluate.ledger import Ledger
from biosig.file_sums import (
    SUMS,
    DamagedWorkWarning,
    EditedWarning,
    check,
    check_folder,
    guarded,
    remove,
    seal,
    set_damaged_aside,
    write_guarded,
)

FILES = {"metrics.json": "{}\n", "config.yaml": "a: 1\n", "weights.bin": "0123456789" * 20}


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        write_guarded(tmp_path / name, text)
    return tmp_path


def test_the_list_is_one_that_sha256sum_reads_and_ends_with_its_own(folder):
    *lines, last = (folder / SUMS).read_text().splitlines(keepends=True)
    assert [line.split("  ")[1].strip() for line in lines] == sorted(FILES)
    assert last == f"# {hashlib.sha256(''.join(lines).encode()).hexdigest()}\n"
    if shutil.which("sha256sum"):
        done = subprocess.run(["sha256sum", "--strict", "-c", SUMS], cwd=folder, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
    assert check_folder(folder).n_sound == len(FILES)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from([*FILES, SUMS]), at=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_every_flip_is_named_by_verify_and_by_the_reader(folder, name, at, bit):
    whole = (folder / name).read_bytes()
    damaged = bytearray(whole)
    damaged[at % len(whole)] ^= 1 << bit
    (folder / name).write_bytes(damaged)
    found = check_folder(folder)
    messages = []
    for file in FILES:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                check(folder / file)
            except UnreadableError as error:
                messages.append(str(error))
        messages += [str(warning.message) for warning in caught]
    (folder / name).write_bytes(whole)
    assert any(name in line for line in found.problems + found.notes)
    assert any(name in line for line in messages)
    if name != SUMS:
        assert all(line.startswith(str(folder / name)) for line in messages)


def test_what_people_edit_is_told_and_not_refused(folder):
    (folder / "config.yaml").write_text("a: 2\n")
    with pytest.warns(EditedWarning, match=r"config\.yaml was edited"):
        check(folder / "config.yaml")
    assert check_folder(folder).problems == []


def test_a_folder_without_a_list_is_read_with_a_note(tmp_path, caplog):
    (tmp_path / "seen.safetensors").write_bytes(b"of 0.1.0")
    with caplog.at_level("INFO"):
        check(tmp_path / "seen.safetensors")
    (record,) = caplog.records
    assert (record.levelname, "nothing guards its files" in record.message) == ("INFO", True)


@pytest.mark.parametrize("moment", range(6))
def test_a_kill_while_a_file_is_replaced_leaves_the_old_one_or_the_new_one(folder, monkeypatch, moment):
    class Killed(BaseException):
        pass

    replace, calls = Path.replace, []

    def dying(self, target):
        calls.append(target)
        if len(calls) * 2 - 1 == moment:
            raise Killed
        done = replace(self, target)
        if len(calls) * 2 == moment:
            raise Killed
        return done

    monkeypatch.setattr(Path, "replace", dying)
    try:
        write_guarded(folder / "metrics.json", "{1}\n")
    except Killed:
        assert moment > 0
    monkeypatch.setattr(Path, "replace", replace)
    check(folder / "metrics.json")
    assert (folder / "metrics.json").read_text() == ("{}\n" if 0 < moment < 4 else "{1}\n")
    assert check_folder(folder).problems == []
    write_guarded(folder / "metrics.json", "{2}\n")
    assert len((folder / SUMS).read_text().splitlines()) == len(FILES) + 1


def test_what_the_disk_refuses_is_a_sentence_and_leaves_the_old_file(folder, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataError, match=r"metrics\.json cannot be written \(No space left on device\): make room"):
        write_guarded(folder / "metrics.json", "{1}\n")
    assert (folder / "metrics.json").read_text() == "{}\n"
    assert check_folder(folder).problems == []


def test_an_error_in_the_block_leaves_the_old_file(folder):
    with pytest.raises(KeyboardInterrupt), guarded(folder / "metrics.json") as temporary:  # noqa: PT012
        temporary.write_text("{")
        raise KeyboardInterrupt
    assert check_folder(folder).n_sound == len(FILES)


def test_a_file_that_was_removed_is_not_missed_and_one_that_was_lost_is(folder):
    remove(folder / "weights.bin")
    assert check_folder(folder).problems == []
    (folder / "metrics.json").unlink()
    assert check_folder(folder).problems == [f"{folder / 'metrics.json'}: the file is gone: restore it from a copy."]


def test_lists_of_sub_folders_are_in_the_list_of_the_folder(tmp_path):
    for name in ("weights/fold-0/model.bin", "tables/shots.csv", "metrics.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    seal(tmp_path)
    assert check_folder(tmp_path).n_sound == 6
    shutil.rmtree(tmp_path / "weights/fold-0")
    (problem,) = check_folder(tmp_path).problems
    assert "fold-0/SHA256SUMS: the file is gone" in problem


def test_damaged_work_is_set_aside_and_never_deleted(folder):
    content = (folder / "weights.bin").read_bytes() * 2
    (folder / "weights.bin").write_bytes(content)
    (folder / "metrics.json").unlink()
    with pytest.warns(DamagedWorkWarning) as caught:
        set_damaged_aside(folder)
    assert len(caught) == 2
    assert (folder / "weights.bin.damaged").read_bytes() == content
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        set_damaged_aside(folder)


def test_a_ledger_is_readable_as_the_umask_says_and_nothing_of_a_killed_write_is_left(tmp_path):
    (tmp_path / ".tmpaB3xYz").write_bytes(b"safetensors writes here first, and a kill leaves it")
    before = os.umask(0o027)
    try:
        Ledger.of(["0" * 64], ["p"]).save(tmp_path)
    finally:
        os.umask(before)
    assert {path.name for path in tmp_path.iterdir()} == {"seen.safetensors", "SHA256SUMS"}
    assert {stat.filemode(path.stat().st_mode) for path in tmp_path.iterdir()} == {"-rw-r-----"}


def test_the_verb_checks_any_folder_that_has_a_list(folder, tiny, capsys):
    tiny.save(folder / "model")
    assert verify(folder) == 0
    assert "7 files: all sound." in capsys.readouterr().out
    (folder / "copy.json").write_text("{}")
    (folder / "model" / "README.md").write_text("mine")
    assert verify(folder) == 0
    shown = capsys.readouterr().out
    assert "copy.json: the file is not in SHA256SUMS" in shown
    assert "README.md: the file was edited" in shown
    (folder / "model" / "model.safetensors").unlink()
    assert verify(folder) == 1
    assert "model.safetensors: the file is gone" in capsys.readouterr().out
    (folder / "old").mkdir()
    with pytest.raises(UsageError, match="nothing guards its files"):
        verify(folder / "old")
