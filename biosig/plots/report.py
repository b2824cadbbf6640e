"""One HTML file that holds a whole report: pictures inside it, no script, readable on paper."""

from __future__ import annotations

import base64
import html
import io
import platform
import re
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from biosig.publishing import whole_file

DISCLAIMER = (
    "For research only. Not a medical device: no picture, number or model here may guide the care of a patient."
)
PACKAGES = ("biosig-fm", "torch", "numpy", "scipy", "scikit-learn", "mne", "wfdb", "neurokit2")
DPI = 144

CSS = """
:root { color-scheme: light; }
body { font: 16px/1.55 system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; color: #1b1b1b; background: #fff;
  max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .6rem; padding-top: .9rem; border-top: 1px solid #d9d9d9; }
h3 { font-size: 1.05rem; margin: 1.6rem 0 .3rem; }
p, li { max-width: 46rem; }
code { font: .88em ui-monospace, Menlo, Consolas, monospace; background: #f4f4f4; padding: .05em .3em;
  border-radius: 3px; overflow-wrap: anywhere; }
pre { font: .82rem/1.45 ui-monospace, Menlo, Consolas, monospace; background: #f4f4f4; padding: .7rem .9rem;
  border-radius: 4px; overflow-x: auto; }
figure { margin: 1.2rem 0 1.8rem; }
figure img { display: block; max-width: 100%; height: auto; border: 1px solid #e6e6e6; border-radius: 4px; }
figcaption, caption { font-size: .87rem; color: #555; margin-top: .5rem; text-align: left; caption-side: bottom; }
.table { overflow-x: auto; margin: 1.2rem 0 1.8rem; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .32rem .8rem; border-bottom: 1px solid #e6e6e6; text-align: left; }
th { border-bottom: 2px solid #1b1b1b; font-weight: 600; }
td.number, th.number { text-align: right; }
.note { border-left: 4px solid #D55E00; padding: .35rem 0 .35rem .9rem; margin: .9rem 0 1.4rem; color: #333; }
footer { margin-top: 3rem; padding-top: .9rem; border-top: 1px solid #d9d9d9; font-size: .82rem; color: #555; }
@media print { body { font-size: 10.5pt; max-width: none; padding: 0; } h2 { break-after: avoid; }
  figure, .table { break-inside: avoid; } @page { margin: 15mm; } }
"""


class Report:
    """Collects text, figures and tables in order, and writes them as one self-contained HTML file.

    Parameters
    ----------
    title : str
        Heading and window title.
    subtitle : str
        One line below the heading.
    """

    def __init__(self, title: str, subtitle: str = "") -> None:
        self.title = title
        self.subtitle = subtitle
        self._parts: list[str] = []

    def add_text(self, text: str) -> None:
        """Add paragraphs separated by blank lines.

        All text is escaped. ``## heading``, ``### heading``, lists of ``- item`` lines, ``> note`` paragraphs,
        `**strong**` and `` `code` `` are understood; nothing else is.
        """
        for block in re.split(r"\n\s*\n", text.strip()):
            self._parts.append(block_to_html(block.strip()))

    def add_figure(self, figure: Figure, caption: str, alt: str) -> bytes:
        """Add a picture as PNG inside the file; `alt` describes it for readers who cannot see it. Gives the PNG."""
        data = io.BytesIO()
        figure.savefig(data, format="png", dpi=DPI, metadata={"Software": None})
        source = "data:image/png;base64," + base64.b64encode(data.getvalue()).decode("ascii")
        width, height = (round(inches * 96) for inches in figure.get_size_inches())
        self._parts.append(
            f'<figure><img src="{source}" width="{width}" height="{height}" alt="{html.escape(alt, quote=True)}">'
            f"<figcaption>{inline(caption)}</figcaption></figure>"
        )
        return data.getvalue()

    def add_table(self, table: pd.DataFrame, caption: str = "", digits: int = 3) -> None:
        """Add a table without its index; floats get `digits` digits after the point, missing values a dash."""
        numeric = [pd.api.types.is_numeric_dtype(table[column]) for column in table.columns]
        tags = [' class="number"' if number else "" for number in numeric]
        head = "".join(f"<th{tag}>{html.escape(str(c))}</th>" for tag, c in zip(tags, table.columns, strict=True))
        rows = []
        for values in table.itertuples(index=False):
            cells = (f"<td{tag}>{html.escape(cell_text(v, digits))}</td>" for tag, v in zip(tags, values, strict=True))
            rows.append(f"<tr>{''.join(cells)}</tr>")
        note = f"<caption>{inline(caption)}</caption>" if caption else ""
        body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
        self._parts.append(f'<div class="table"><table>{note}{body}</table></div>')

    def add_code(self, text: str) -> None:
        """Add lines as they are, such as a configuration."""
        self._parts.append(f"<pre>{html.escape(text)}</pre>")

    def to_html(self) -> str:
        """The whole page."""
        subtitle = f"<p>{inline(self.subtitle)}</p>" if self.subtitle else ""
        return (
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{html.escape(self.title)}</title><style>{CSS}</style></head>\n<body><header>"
            f'<h1>{html.escape(self.title)}</h1>{subtitle}<p class="note">{DISCLAIMER}</p></header>\n<main>\n'
            + "\n".join(self._parts)
            + f"\n</main>\n<footer>{footer()}</footer></body></html>\n"
        )

    def write(self, path: str | Path) -> Path:
        """Write the page to `path` (UTF-8), making its folder if needed, and return the path."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            temporary.write_text(self.to_html(), encoding="utf-8")
        return path


def block_to_html(block: str) -> str:
    """One paragraph, heading, note or list."""
    lines = block.splitlines()
    for mark, tag in (("### ", "h3"), ("## ", "h2")):
        if block.startswith(mark):
            rest = "\n".join(lines[1:])
            heading = f"<{tag}>{inline(lines[0].removeprefix(mark))}</{tag}>"
            return heading + (block_to_html(rest) if rest.strip() else "")
    if all(line.startswith("- ") for line in lines):
        return "<ul>" + "".join(f"<li>{inline(line[2:])}</li>" for line in lines) + "</ul>"
    if block.startswith("> "):
        return f'<p class="note">{inline(" ".join(line.removeprefix("> ") for line in lines))}</p>'
    return f"<p>{inline(' '.join(lines))}</p>"


def inline(text: str) -> str:
    """Escape a line, then mark `code` and **strong** words."""
    text = html.escape(text)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    return re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", text)


def cell_text(value: object, digits: int) -> str:
    """Text of one cell of a table."""
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return "–"
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def footer() -> str:
    """Versions that the report was made with, and its command."""
    versions = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return f"<p>{DISCLAIMER}</p><p>Made with {', '.join(versions)} by <code>{html.escape(command)}</code>.</p>"
