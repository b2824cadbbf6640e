"""Copies of a recording under other names, in files of every format: told by name, and on one side of any split."""

import numpy as np
import pandas as pd
import pytest
from made_files import FORMATS, SFREQ

from biosig.downstream.data.label_windows import LabelledWindows, Target
from biosig.downstream.data.split_config import SubjectKFold
from biosig.downstream.data.splits import make_parts
from biosig.downstream.data.task import open_windows
from ingest.cli.ingest import ingest

COPIES = {"again": "equal", "coarse": "near", "cut": "near"}


def named(path, name):
    """The recording in `path`, which is called r or n, under another name."""
    stem = path.name.partition(".")[0].removesuffix("_raw")
    for file in [path] if path.is_dir() else [*path.parent.glob(f"{stem}.*"), *path.parent.glob(f"{stem}_raw.*")]:
        if file.suffix == ".hea":
            file.write_text(file.read_text().replace(f"{stem} ", f"{name} ", 1).replace(f"{stem}.dat", f"{name}.dat"))
        file.rename(file.with_name(file.name.replace(stem, name, 1)))


def recordings(folder, form):
    """Five people, of whom one is there four times: the same again, at a third of the gain, and cut at both ends."""
    signals = {name: signal(0) for name in ("first", *COPIES)}
    signals["coarse"] = signals["coarse"] // 3
    signals["cut"] = signals["cut"][:, 4 * SFREQ : 26 * SFREQ]
    signals |= {f"other{seed}": signal(seed) for seed in range(1, 5)}
    for name, x in signals.items():
        named(FORMATS[form](folder, x), name)


def signal(seed):
    return np.random.default_rng(seed).normal(0, 15, (2, 30 * SFREQ)).astype(np.int16)


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_every_format(tmp_path, form, capsys):
    (tmp_path / "in").mkdir()
    recordings(tmp_path / "in", form)
    out = tmp_path / "out"
    pattern = r"(?P<subject>\w+)$"  # what a name says, whoever the file is said to be of
    assert ingest((tmp_path / "in",), out=out, workers=1, recording_names="keep", subject_pattern=pattern) == 0
    printed = capsys.readouterr().out
    assert "3 recordings there twice (1 with equal samples, 2 as near copies" in printed
    table = pd.read_parquet(out / "duplicates.parquet")
    names = {name.removesuffix("_raw"): name for name in {*table["recording"], *table["other"]}}
    assert set(names) == {"first", *COPIES}
    assert all(f"{row.recording} is {'equal to' if row.kind == 'equal' else 'near'} {row.other}" in printed
               for row in table.itertuples())  # fmt: skip
    task = open_windows(str(out), None, 10.0)
    of = pd.Series(task.people, task.recordings)
    assert of[list(names.values())].nunique() == 1
    assert of.nunique() == 5
    labelled = LabelledWindows(task.labelled.windows, np.zeros(len(of)), Target(label="subject"), [])
    parts, notes = make_parts(SubjectKFold(folds=5, validation=0.5), labelled, 0)
    for part in parts:
        people = [set(task.people[rows]) for rows in (part.train, part.validation, part.test)]
        assert not people[0] & people[1] | people[0] & people[2] | people[1] & people[2]
    assert any("3 recordings are there twice (1 with equal samples, 2 as near copies)" in note for note in notes)
