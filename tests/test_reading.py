"""`biosig.read`: what it says of a path that stands for no recording."""

from pathlib import Path

import pytest

import biosig
from biosig import samples
from biosig.errors import UsageError

RECORD = samples.path("ptbxl") / "records100" / "00000" / "00001_lr"


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (RECORD.with_suffix(".dat"), "belongs to the WFDB record of 00001_lr.hea beside it: read that file"),
        (RECORD.parent, "is a folder: read takes one recording's file"),
        (samples.path("ptbxl") / "scp_statements.csv", "is a table or an array that no mapping describes"),
        (Path(__file__).with_name("conftest.py"), "is in no format"),
        (RECORD.with_name("absent"), "does not exist"),
    ],
)
def test_a_path_that_is_no_recording_says_what_to_give(path, says):
    with pytest.raises(UsageError, match=says):
        biosig.read(path)


def test_a_wfdb_record_goes_by_its_name_alone():
    assert biosig.read(RECORD).id == RECORD.name
