"""`biosig demo` from the command line: the whole line on shipped recordings, with few steps of pretraining."""

import html.parser
import json

import pandas as pd
import pyarrow.parquet as pq
import pytest

from biosig.cli import main


class Page(html.parser.HTMLParser):
    """Collects the text and the images of a page."""

    def __init__(self):
        super().__init__()
        self.text, self.images = "", []

    def handle_data(self, data):
        self.text += data

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.images.append(dict(attrs))


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "run"
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--out", str(out), "--steps", "12", "--workers", "1"])
    assert ended.value.code == 0
    return out


def test_the_report_has_every_picture_and_table(demo):
    page = Page()
    page.feed((demo / "report.html").read_text(encoding="utf-8"))
    assert len(page.images) == 11
    assert all(image["src"].startswith("data:image/png;base64,") and image["alt"] for image in page.images)
    for words in (
        "12-lead ECG: normal against abnormal",
        "EEG: imagined left against right fist",
        "Pretraining saw none of the 49 recordings",
        "not a medical device",
        "random_weights",
        "predicting the mean",
    ):
        assert words in page.text, words


def test_what_it_leaves_can_be_checked(demo):
    assert pq.read_table(demo / "embeddings" / "ptbxl.parquet").num_rows == 202
    for task in ("normal-against-abnormal", "rest-against-imagined-movement", "imagined-left-against-right-fist"):
        folder = demo / "probes" / task
        predictions = pd.read_parquet(folder / "predictions.parquet")
        splits = json.loads((folder / "splits.json").read_text())
        assert set(predictions["method"]) == {"model", "chance", "random_weights", "handmade"}
        tested = predictions[predictions["method"] == "model"].groupby("fold")["subject"].agg(set).tolist()
        assert sum(map(len, tested)) == len(set().union(*tested)), "a subject is tested in two folds"
        assert splits


def test_run_again_it_replaces_itself_and_nothing_else(demo, tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--out", str(tmp_path)])
    assert ended.value.code == 2
    assert "holds something else than a demo" in capsys.readouterr().err
    assert (tmp_path / "thesis.tex").read_text() == "mine"
