"""The report is one valid HTML file that needs nothing else, escapes what it is given and says what it is not."""

from __future__ import annotations

import base64
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from biosig.errors import DataError
from biosig.plots import Report, plot_loss, plot_scores

VOID = {"meta", "img", "br"}


class Checker(HTMLParser):
    """Collects images and text, and insists that every tag is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def scores() -> pd.DataFrame:
    rows = [
        ("model", "auroc", 0.71, 0.6, 0.8),
        ("chance", "auroc", 0.5, 0.5, 0.5),
        ("handmade", "auroc", 0.8, 0.7, 0.9),
    ]
    return pd.DataFrame(rows, columns=["method", "metric", "value", "low", "high"]).assign(n_subjects=98, n_windows=101)


def test_report_is_one_file_with_its_pictures_inside(tmp_path: Path, scores: pd.DataFrame) -> None:
    report = Report("A <b>title</b>", "what `x < y` is")
    report.add_text("## Signals\nfirst\n\n- **one**\n- two <script>alert(1)</script>\n\n> with care")
    report.add_figure(plot_scores(scores), "The scores & more", alt='a "forest" plot')
    report.add_table(scores, "All numbers")
    path = report.write(tmp_path / "new" / "report.html")
    page = Checker()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    assert page.open == []
    assert "script" not in page.tags
    assert "link" not in page.tags
    (image,) = page.images
    assert image["alt"] == 'a "forest" plot'
    assert base64.b64decode(str(image["src"]).removeprefix("data:image/png;base64,"))[:4] == b"\x89PNG"
    assert "<script>alert(1)</script>" in page.text  # as text
    assert "The scores & more" in page.text
    assert page.tags.count("li") == 2
    assert page.tags.count("tr") == 1 + len(scores)
    assert "0.710" in page.text
    assert "Not a medical device" in page.text
    assert "biosig-fm" in page.text


def test_missing_cells_are_dashes() -> None:
    report = Report("t")
    report.add_table(pd.DataFrame({"value": [0.5, float("nan")], "note": ["a<b", None]}))
    assert ">–<" in report.to_html()
    assert "a&lt;b" in report.to_html()
    assert "nan" not in report.to_html().lower().split("<main>")[1].split("</main>")[0]


def test_scores_show_value_interval_and_chance(scores: pd.DataFrame) -> None:
    (ax,) = plot_scores(scores).axes
    artists = {line.get_gid(): line for line in ax.lines}
    assert list(artists["model interval"].get_xdata()) == [0.6, 0.8]
    assert artists["model"].get_xdata()[0] == 0.71
    assert artists["chance line"].get_xdata()[0] == 0.5
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["model on trial", "chance", "hand-made features"]
    two = pd.concat([scores.assign(task="ECG"), scores.assign(task="EEG")])
    assert [ax.get_title("left") for ax in plot_scores(two).axes] == ["ECG", "EEG"]


def test_score_table_without_intervals_is_refused(scores: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="lacks low"):
        plot_scores(scores.drop(columns="low"))
    with pytest.raises(DataError, match="no rows"):
        plot_scores(scores.iloc[:0])


def test_loss_draws_each_modality_and_held_out_points() -> None:
    log = pd.DataFrame({"step": [1, 2, 3, 4], "loss": [1.0, 0.8, 0.7, 0.6], "loss_ecg": [1.0, 0.7, 0.6, 0.5]})
    held_out = pd.DataFrame({"step": [2, 4], "loss": [0.9, 0.7], "part": "validation"})
    log = pd.concat([log.assign(part="train"), held_out])
    (ax,) = plot_loss(log.assign(lr=1e-3)).axes
    artists = {line.get_gid(): line for line in ax.lines}
    assert list(artists["loss raw"].get_ydata()) == [1.0, 0.8, 0.7, 0.6]
    assert list(artists["validation loss"].get_xdata()) == [2, 4]
    assert "loss_ecg" in artists
    assert "loss_eeg" not in artists
    assert ax.get_ylim()[0] == 0
    with pytest.raises(DataError, match="train before"):
        plot_loss(log.iloc[:0])
