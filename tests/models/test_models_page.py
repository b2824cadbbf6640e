"""docs/models.md agrees with the presets that it describes."""

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from biosig.models.presets import PRESETS, preset

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
OURS = [name for name in PRESETS if name.startswith(("biosig-", "reve-", "csfm-"))]
READS = {"ecg": "ECG", "ppg": "PPG", "eeg": "EEG"}


def table(first_column):
    """The page's table that starts with this header, as lists of cells: header, then rows."""
    lines = PAGE[PAGE.index(f"| {first_column}") :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if not line.startswith("|---")]


@pytest.mark.parametrize("name", OURS)
def test_the_table_of_presets_names_each_with_its_size(name):
    rows = {row[0].strip("`"): row[1:] for row in table("preset |")[1:]}
    config = preset(name)
    width, blocks, heads, parameters, reads, position, vector = rows[name]
    assert [width, blocks, heads] == [str(config.embed_dim), str(config.depth), str(config.num_heads)]
    assert parameters == f"{PRESETS[name].n_parameters:,}"
    assert ("reports" in reads) == (config.text is not None)
    assert all((word in reads) == (modality in config.contract) for modality, word in READS.items())
    codes = {"body": "BodyPositions", "reve": "RevePositions", "leads": "LeadPositions"}
    assert position.strip("`") == ("TokenTimes" if config.fused else codes[config.position.name])
    assert vector == ("a token of its own" if config.cls else "attention pooling")


@pytest.mark.parametrize("name", OURS)
def test_the_table_of_input_contracts_has_each_presets_numbers(name):
    header, *rows = table("| `")
    (column,) = [i for i, cell in enumerate(header) if any(fnmatch(name, p) for p in re.findall("`(.+?)`", cell))]
    contract = preset(name).contract
    cells = {row[0]: row[column] for row in rows}
    assert cells["rate"] == ", ".join(f"{READS[m]} {c.sfreq:g} Hz" for m, c in contract.items())
    assert cells["patch"] == ", ".join(f"{READS[m]} {c.patch_seconds:g} s" for m, c in contract.items())
    assert cells["step"] == ", ".join(f"{READS[m]} {c.stride_seconds:g} s" for m, c in contract.items())
    if preset(name).fused:
        assert cells["band"] == ", ".join(f"{READS[m]} {c.band[0]:g}–{c.band[1]:g} Hz" for m, c in contract.items())
        return
    (filtered,) = {c.band or c.cleaning for c in contract.values()}
    bands = {"none": "as recorded", "neurokit": "NeuroKit2's cleaning", (0.5, 99.5): "0.5–99.5 Hz"}
    assert cells["band"] == bands[filtered]
