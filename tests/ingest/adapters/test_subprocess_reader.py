"""Readers that misbehave, each in a process of its own; the test's process must outlive them all."""

import os
import time
from dataclasses import replace

import numpy as np
import pytest

from biosig.errors import UnreadableError
from biosig.recording import Channel, Recording, Stream
from ingest.adapters.common.subprocess_reader import call_isolated, read_isolated

VALUES = np.arange(4000, dtype=np.float32).reshape(2, 2000)


class Sound:
    def read_here(self, path):
        channels = tuple(Channel(name, name, "eeg", "uV") for name in ("Cz", "Fz"))
        return Recording("r", [Stream(100.0, channels, VALUES, np.ones(2), np.zeros(2))], notes=(f"from {path.name}",))


class Tells(Sound):
    def read_here(self, path):
        print("a library that prints")  # noqa: T201
        return replace(super().read_here(path), notes=(str(os.getpid()),))


class Aborts:
    def read_here(self, path):
        os.abort()


class Refuses:
    def read_here(self, path):
        raise UnreadableError(f"{path} is damaged: fetch it again.")


class Devours:
    def read_here(self, path):
        return np.ones(2**31)


class Spins:
    def read_here(self, path):
        while True:
            pass


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    file = tmp_path / "file.cnt"
    file.write_bytes(b"x")
    return file


def test_samples_come_over_and_their_folder_goes_with_them(path):
    recording = read_isolated(Sound, path, lazy=True)
    assert recording.notes == ("from file.cnt",)
    stream = recording.streams[0].pick([1])
    del recording
    np.testing.assert_array_equal(stream.slice(500, 600).samples, VALUES[1:, 500:600])
    assert len(list(path.parent.iterdir())) == 2
    del stream
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("reader", "words"),
    [
        (Aborts, "its reader ended with status -6"),
        (Refuses, r"file\.cnt is damaged: fetch it again"),
        (Devours, "needs more memory than a file of its size should"),
    ],
)
def test_whatever_a_reader_does_ends_in_one_sentence(path, reader, words):
    with pytest.raises(UnreadableError, match=words) as failure:
        read_isolated(reader, path)
    assert str(path) in str(failure.value)
    assert list(path.parent.iterdir()) == [path]


def where_it_runs(path, *arguments):
    return {"here": os.getpid(), "name": path.name, "arguments": arguments}


def test_plain_values_go_over_and_come_back(path):
    answer = call_isolated(where_it_runs, path, 1, "two", None)
    assert answer["here"] != os.getpid()
    assert (answer["name"], answer["arguments"]) == ("file.cnt", [1, "two", None])


def test_the_process_is_kept_and_replaced_when_it_dies(path):
    first = read_isolated(Tells, path).notes
    assert read_isolated(Tells, path).notes == first
    with pytest.raises(UnreadableError):
        read_isolated(Aborts, path)
    assert read_isolated(Tells, path).notes != first != (str(os.getpid()),)


@pytest.mark.slow
def test_a_reader_that_never_ends_is_ended(path, monkeypatch):
    monkeypatch.setattr("ingest.adapters.common.subprocess_reader._CPU_SECONDS", 4)
    start = time.monotonic()
    with pytest.raises(UnreadableError, match="its reader ended"):
        read_isolated(Spins, path)
    assert time.monotonic() - start < 60
