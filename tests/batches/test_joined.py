"""Sets of recordings as one: rows, annotations and columns numbered through."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from biosig.batches.joined import ConcatRecordings
from biosig.batches.recording_set import RecordingList


class Indexed(RecordingList):
    """Recordings with columns of an index."""

    def __init__(self, recordings, **columns):
        super().__init__(recordings)
        self.columns = columns

    def to_pandas(self):
        return super().to_pandas().assign(**self.columns)


@pytest.fixture
def recordings(ecg):
    return [replace(ecg, id=f"r{number}") for number in range(3)]


def test_rows_run_through_the_sets_in_order(recordings):
    joined = ConcatRecordings([RecordingList(recordings[:2]), RecordingList(recordings[2:])])
    assert len(joined) == 3
    assert [joined[row].id for row in range(3)] == [recording.id for recording in recordings]
    assert joined.source_of(np.arange(3)).tolist() == [0, 0, 1]


def test_a_column_that_is_empty_or_absent_in_a_set_is_empty_there(recordings):
    nobody = pd.Categorical([None, None], categories=["anne"])
    first = Indexed(recordings[:2], subject=nobody, site=pd.Categorical(["a", "b"]))
    second = Indexed(recordings[2:], subject=pd.Categorical(["bert"]), age=[61.0])
    table = ConcatRecordings([first, second]).to_pandas()
    assert table["recording"].tolist() == [recording.id for recording in recordings]
    assert table["subject"].isna().tolist() == [True, True, False]
    assert table["subject"].iloc[2] == "bert"
    assert table["site"].iloc[:2].tolist() == ["a", "b"]
    assert pd.isna(table["site"].iloc[2])
    assert table["age"].isna().tolist() == [True, True, False]
    assert table["age"].iloc[2] == 61.0


def test_a_column_that_no_set_fills_stays(recordings):
    sets = [Indexed([recording], subject=pd.Categorical([None])) for recording in recordings]
    assert ConcatRecordings(sets).to_pandas()["subject"].isna().all()
