"""The tables of public encoders agree with their contracts, on the page, in the terminal and in what is refused."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

import biosig
from biosig.cli.main import main
from biosig.errors import UsageError
from biosig.models.zoo import known_models
from biosig.models.zoo.ecgfounder import ECGFounder
from biosig.models.zoo.model import LicenceWarning, ZooModel, random_model
from biosig.models.zoo.table import list_public, markdown

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
RESULTS = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")


def test_the_page_has_every_row_and_the_times_that_were_measured():
    first, second = (table.splitlines() for table in markdown().split("\n\n"))
    assert all(line in PAGE for line in second)
    for line in first[2:]:
        name = line.split("`")[1]
        network, preparation = re.search(rf"\| `{name}` \|[^|]+\|[^|]+\| ([\d.]+) \| ([\d.]+) \|", RESULTS).groups()
        assert f"{line} {network}, {preparation} |" in PAGE


def test_the_terminal_lists_them_with_licence_and_steps(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    with pytest.raises(SystemExit, match="0"):
        main(["models"])
    shown = capsys.readouterr().out
    for row in list_public():
        assert row.name in shown
        assert row.licence in shown
    assert "Butterworth 4 0.67–40 Hz" in shown


@pytest.mark.parametrize("name", known_models())
def test_weights_that_are_not_here_are_told_where_they_are(name):
    about = known_models()[name].about
    with pytest.raises(UsageError, match="not here") as refused:
        biosig.load_model(name)
    assert about.where in str(refused.value)
    assert f"under the licence {about.licence}" in str(refused.value)
    assert "biosig convert FILE --out DIR" in str(refused.value)


def test_a_licence_that_forbids_is_told_when_weights_are_loaded(monkeypatch):
    model = random_model(ECGFounder(n_chans=1, widths=(16,), blocks=(1,)))
    monkeypatch.setattr(ECGFounder, "about", replace(ECGFounder.about, restricted="No commercial use."))
    with pytest.warns(LicenceWarning, match=r"ECGFounder: No commercial use\."):
        ZooModel(model.encoder, trained=True)
