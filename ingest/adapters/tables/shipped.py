"""Mappings that ship, by name: a YAML file each in `ingest/adapters/tables/mappings`; to add one is one file.

Each cites under `source` where its layout is described; one without a source is not shipped.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "mappings"
SHIPPED: dict[str, Path] = {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}
