"""Every notebook runs from top to bottom, and is committed without outputs."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
PRINTED = {
    "01_first_look": (5, "balanced_accuracy"),
    "02_your_own_recordings": (4, "same recording in"),
    "03_a_defensible_probe": (5, "Scores are as saved"),
    "04_fine_tuning_with_lora": (4, "score_abnormal"),
}
"""Of each notebook, how many pictures it shows at least, and what only its last results say."""


def test_every_notebook_is_held_to_something() -> None:
    assert [path.stem for path in NOTEBOOKS] == sorted(PRINTED)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stripped(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == [], f"strip the outputs of {path.name} before committing it"
            assert cell.execution_count is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_it_imports_exists(path: Path) -> None:
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    code = "\n".join(line for source in cells for line in source.splitlines() if not line.startswith("%"))
    imports = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)]
    assert imports
    for node in imports:
        module = importlib.import_module(node.module or "")
        for name in node.names:
            assert hasattr(module, name.name) or importlib.import_module(f"{node.module}.{name.name}")


@pytest.mark.slow  # half a minute or more each
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("BIOSIG_KEY_FILE", raising=False)
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    outputs = [out for cell in notebook.cells if cell.cell_type == "code" for out in cell.outputs]
    n_pictures, words = PRINTED[path.stem]
    assert sum("image/png" in out.get("data", {}) for out in outputs) >= n_pictures
    assert any(words in out.get("text", "") + out.get("data", {}).get("text/plain", "") for out in outputs)
