"""The page in a real browser: what is drawn, to the sample and to the millimetre; keys; nothing leaves the machine."""

import json
import time
from itertools import pairwise
from urllib.parse import urlsplit

import numpy as np
import pytest

from biosig import samples
from tests.ingest.vendor_files import write_edf
from tests.view.looking import PX_PER_MM, wfdb_record
from tests.view.test_signals import BANANA, eeg_record
from tests.view.test_tables import RESULT, table_of

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def beats(n=10_000, every=400, first=100):
    """1-mV spikes of one sample, `every` samples apart."""
    x = np.zeros(n, int)
    x[first::every] = 1000
    return x


def ink(pixels):
    """Where a trace or text is: paper and shading have more red."""
    return pixels[..., 0] < 190


def near(value, wanted, within=0.5):
    return abs(value - wanted) <= within


def test_samples_stand_where_the_file_has_them(look, tmp_path):
    x = np.random.default_rng(0).integers(-900, 900, 10_000)
    looker = look(wfdb_record(tmp_path, "known", {"II": x}, 500, "mV"))
    looker.choose("Speed", value="200")
    view = looker.view()
    row = looker.row("II")
    assert near(view["px_per_second"], 755.906, 0.01)
    assert near(row["px_per_unit"], 37.795, 0.01)
    pixels = ink(looker.pixels())
    wide = (view["width"] - row["x"]) / view["px_per_second"]
    chosen = np.arange(20, int(500 * wide) - 2, 3)[:200]
    assert len(chosen) == 200
    for i in chosen:
        at_x, at_y = row["x"] + i / 500 * 755.906, row["y0"] - x[i] / 1000 * 37.795
        column = slice(int(at_x) - 1, int(at_x) + 2)
        assert pixels[int(at_y) - 1 : int(at_y) + 2, column].any(), i


@pytest.mark.slow
def test_at_paper_speed_the_trace_reaches_the_extremes_of_each_column(look, tmp_path):
    x = np.random.default_rng(1).integers(-900, 900, 10_000)
    looker = look(wfdb_record(tmp_path, "known", {"II": x}, 500, "mV"))
    row, view = looker.row("II"), looker.view()
    pixels = looker.pixels()
    dark = ink(pixels)
    samples_of = 500 / view["px_per_second"]
    for j in range(300, 700, 9):
        part = x[int(np.ceil(j * samples_of)) : int(np.ceil((j + 1) * samples_of))] / 1000
        rows = np.flatnonzero(dark[:, int(row["x"]) + j - 1 : int(row["x"]) + j + 2].any(axis=1))
        rows = rows[rows > 24]
        assert rows.min() <= row["y0"] - part.max() * 37.795 + 1.5
        assert rows.max() >= row["y0"] - part.min() * 37.795 - 1.5


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0, 1, 7])
def test_a_spike_survives_an_hour_a_page(look, tmp_path, shift):
    x = np.zeros(1_800_000, int)
    x[900_001] = 5000
    looker = look(wfdb_record(tmp_path, "spike", {"V": x}, 500, "mV"), width=1310)
    looker.choose("Page", value="3600")
    step = looker.view()["step"]
    if shift:
        looker.page.evaluate(
            f"() => {{ const g = document.querySelector('input[type=number]'); g.value = {shift * step};"
            " g.dispatchEvent(new Event('change')); }"
        )
    row = looker.row("V")
    tops = [column for column in row["columns"] if column[2] >= 5]
    assert len(tops) == 1
    assert all(column[2] == 0 for column in row["columns"] if column is not tops[0])
    assert near(tops[0][0], row["x"] + int(1800.002 / step) - shift, 0.6)
    assert near(tops[0][2] * row["px_per_unit"], 189.0)


def test_a_gap_is_shaded_and_never_a_line(look, tmp_path):
    x = np.full(20_000, -500)
    x[5000:6250] = -32768
    x[8000:9000] = 0
    looker = look(wfdb_record(tmp_path, "gap", {"V": x}, 500, "mV"))
    looker.choose("Speed", value="15")
    row, view = looker.row("V"), looker.view()
    pixels = looker.pixels()
    left, right = (row["x"] + t * view["px_per_second"] for t in (10.0, 12.5))
    y = int(row["y0"])
    shaded = np.flatnonzero((pixels[y - 20, :, :3] == 194).all(axis=1))
    assert near(shaded.min(), left, 1)
    assert near(shaded.max() + 1, right, 1)
    on_line = ink(pixels)[round(row["y0"] + 0.5 * 37.795)]
    assert not on_line[int(left) + 2 : int(right) - 2].any()
    assert on_line[int(left) - 30 : int(left) - 2].any()
    zero = ink(pixels)[
        y - 1 : y + 2, int(row["x"] + 16.2 * view["px_per_second"]) : int(row["x"] + 17.8 * view["px_per_second"])
    ]
    assert zero.any(axis=0).all()
    assert [start_stop[:2] for start_stop in row["gaps"]] == [[10.0, 12.5]]


def test_the_width_of_a_gap_is_told(look, tmp_path):
    x = np.zeros(20_000, int)
    x[2000:3250] = -32768
    looker = look(wfdb_record(tmp_path, "gap", {"V": x}, 500, "mV"))
    looker.view()
    drawn = looker.page.evaluate(
        "async () => { const { draw } = await import('/static/draw.js'); return typeof draw; }"
    )
    assert drawn == "function"
    texts = looker.page.evaluate(
        "() => new Promise((done) => { const found = []; const write = CanvasRenderingContext2D.prototype.fillText;"
        " CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {"
        " found.push(text); write.call(this, text, ...rest); };"
        " document.dispatchEvent(new KeyboardEvent('keydown', { key: '+' }));"
        " setTimeout(() => done(found), 400); })"
    )
    assert "2.500 s" in texts


@pytest.mark.slow
def test_a_short_gap_is_seen_at_an_hour_a_page(look, tmp_path):
    x = np.zeros(1_800_000, int)
    x[900_000:900_500] = -32768
    looker = look(wfdb_record(tmp_path, "gap", {"V": x}, 500, "mV"))
    looker.choose("Page", value="3600")
    row = looker.row("V")
    pixels = looker.pixels()
    shaded = (pixels[int(row["y0"]) + 20, :, :3] == 194).all(axis=1)
    blended = np.abs(pixels[int(row["y0"]) + 20, int(row["x"]) :, :3].astype(int) - 255).sum(axis=1) > 60
    assert shaded.any() or blended.any()


@pytest.mark.slow
def test_what_follows_a_gap_in_an_edf_stands_at_its_time(look, tmp_path):
    x = np.zeros(1200, int)
    x[700] = 3000
    tals = [f"{t:+g}\x14\x14\x00".encode() for t in (*range(6), *(t + 2.5 for t in range(6, 12)))]
    path = write_edf(
        tmp_path / "d.edf", [("EEG Cz", "uV", -3276.8, 3276.7, x)], n_records=12, annotations=tals, reserved=b"EDF+D"
    )
    looker = look(path)
    looker.choose("Gain", label="30 µV/mm")
    row, view = looker.row("Cz"), looker.view()
    assert [gap[:2] for gap in row["gaps"]] == [[6.0, 8.5]]
    at_x, at_y = row["x"] + 9.5 * view["px_per_second"], row["y0"] - 300 * row["px_per_unit"]
    pixels = looker.pixels()
    assert pixels[int(at_y) + 1 : int(at_y) + 5, int(at_x) - 1 : int(at_x) + 3, :3].min() < 120


@pytest.mark.parametrize("width", [900, pytest.param(1600, marks=pytest.mark.slow)])
def test_paper_is_to_scale_whatever_the_window(look, width):
    looker = look(sorted(samples.path("ptbxl").rglob("*_hr.hea"))[0], width=width)
    check_paper(looker, PX_PER_MM)
    looker.page.set_viewport_size({"width": 2500 - width, "height": 900})
    looker.page.wait_for_timeout(200)
    check_paper(looker, PX_PER_MM)
    assert "25 mm/s 10 mm/mV" in looker.text()
    assert "recorded band not stated, view: none" in looker.text()
    assert "nominal" in looker.text()


def check_paper(looker, mm):
    row = looker.row("I")
    assert near(row["pulse"]["height"], 10 * mm)
    assert near(row["pulse"]["width"], 5 * mm)
    pixels = looker.pixels()
    box = row["pulse"]
    dark = ink(pixels)
    assert dark[round(box["y"]) - 1 : round(box["y"]) + 2, round(box["x"] + box["width"] / 2)].any()
    assert not dark[round(box["y"]) - 4, round(box["x"] + box["width"] / 2)]
    line = pixels[26, :, :3]  # above all traces
    major = np.flatnonzero((np.abs(line - [240, 160, 160]) < 12).all(axis=1))
    spaces = [b - a for a, b in pairwise(major) if b - a > 2]
    assert near(np.mean(spaces), 5 * mm, 0.1)
    assert max(abs(space - 5 * mm) for space in spaces) <= 1


@pytest.mark.slow
def test_a_bank_card_calibrates_the_screen(look):
    looker = look(sorted(samples.path("ptbxl").rglob("*_hr.hea"))[0], width=1600)
    looker.view()
    looker.page.get_by_role("button", name="Screen size").click()
    bar = looker.page.get_by_label("Width of the bar")
    bar.evaluate(f"(e) => {{ e.step = 'any'; e.value = {4.5 * 85.6}; e.dispatchEvent(new Event('input')); }}")
    looker.page.get_by_role("button", name="It is as wide as the card").click()
    looker.page.wait_for_timeout(100)
    pulse = looker.row("I")["pulse"]
    assert near(pulse["height"], 45.0)
    assert near(pulse["width"], 22.5)
    assert "calibrated" in looker.text()


def twelve(folder, name="twelve", without=()):
    signals = {lead: beats(5000) * (lead not in without) for lead in LEADS if lead not in without}
    return wfdb_record(folder, name, signals, 500, "mV")


def test_twelve_leads_stand_in_their_order_and_time(look, tmp_path):
    looker = look(twelve(tmp_path))
    rows = looker.view()["rows"]
    assert [row["name"] for row in rows] == [*LEADS, "II"]
    for i, row in enumerate(rows[:12]):
        assert row["start"] == pytest.approx(2.5 * (i // 3))
        assert row["seconds"] == 2.5
    assert (rows[12]["start"], rows[12]["seconds"]) == (0, 10)
    view = looker.view()
    for row in rows[:12]:
        in_cell = row["x"] + (5 * 0.8 + 0.2 - row["start"]) * view["px_per_second"]
        in_strip = rows[12]["x"] + (5 * 0.8 + 0.2) * view["px_per_second"]
        assert near(in_cell, in_strip, 0.5)


@pytest.mark.slow
def test_a_missing_lead_is_an_empty_cell_that_says_so(look, tmp_path):
    whole = look(twelve(tmp_path)).view()["rows"]
    rows = look(twelve(tmp_path, "eleven", ("V3",))).view()["rows"]
    assert [row["name"] for row in rows] == [row["name"] for row in whole]
    assert [row["missing"] for row in rows if row["missing"]] == ["not in this recording: V3"]
    for one, other in zip(rows, whole, strict=True):
        assert (one["x"], one["y0"], one["start"]) == (other["x"], other["y0"], other["start"])


def test_calipers_measure_samples(look, tmp_path):
    x = beats()
    x[4101:4150] = -32768
    looker = look(wfdb_record(tmp_path, "beats", {"V": x}, 500, "mV"))
    row, view = looker.row("V"), looker.view()
    looker.press("c")
    box = looker.page.locator("#signal").bounding_box()

    def at(i, level):
        return box["x"] + row["x"] + i / 500 * view["px_per_second"], box["y"] + row["y0"] - level * 37.795

    def drag(first, second, low=1.0, high=1.0):
        looker.page.mouse.move(*at(first, low))
        looker.page.mouse.down()
        looker.page.mouse.move(*at(second, high), steps=3)
        looker.page.mouse.up()
        return looker.page.inner_text("#caliper")

    looker.press("p")
    assert "800 ms, 75 bpm" in drag(500, 900)
    looker.press("p")
    caption = drag(400, 500)
    if "1.00 mV" not in caption:  # a pixel is 5 samples: go to the sample by keys
        for _ in range(12):
            looker.press("ArrowRight" if "0.00 mV" in caption else "ArrowLeft")
            caption = looker.page.inner_text("#caliper")
            if "1.00 mV" in caption:
                break
    assert "1.00 mV" in caption
    milliseconds = float(caption.split(" ms")[0].split(" ")[-1])
    looker.press("ArrowRight")
    after = looker.page.inner_text("#caliper")
    assert float(after.split(" ms")[0].split(" ")[-1]) - milliseconds == pytest.approx(2.0)
    assert "ACROSS A GAP" not in after
    assert "ACROSS A GAP" in drag(4050, 4200, 0, 0)
    looker.press("Escape")
    assert looker.page.inner_text("#caliper") == ""


def test_a_montage_is_drawn_in_scale_and_polarity(look, tmp_path):
    looker = look(eeg_record(tmp_path, Fp1=1000, F7=0))  # 100 µV
    looker.press("2")
    rows = looker.view()["rows"]
    assert [row["name"] for row in rows] == BANANA
    assert near(abs(rows[0]["px_per_unit"]) * 100, 54.0, 0.1)
    assert rows[0]["px_per_unit"] < 0
    looker.live("negative up")
    y = rows[0]["y0"] + 54.0
    shade = looker.pixels()[round(y) - 1 : round(y) + 2, 300, :3]
    assert shade.min() < 150
    looker.press("i")
    assert looker.row("Fp1-F7")["px_per_unit"] > 0
    looker.until("!document.getElementById('live').textContent.includes('negative up')")
    assert "positive up" in looker.text()


@pytest.mark.slow
def test_rows_that_lack_a_channel_are_named(look, tmp_path):
    looker = look(eeg_record(tmp_path, without=("F7",)))
    looker.press("2")
    assert "2 rows lack a channel" in looker.text()
    assert looker.row("Fp1-F7")["missing"] == "not in this recording: F7"


def test_filters_are_off_at_first_and_named(look, tmp_path):
    looker = look(eeg_record(tmp_path))
    looker.view()
    assert "view: none" in looker.text()
    looker.press("n")
    looker.view()
    assert "view: notch 50 Hz and multiples" in looker.text()
    looker.choose("High-pass", value="1")
    looker.view()
    assert "high-pass 1 Hz" in looker.text()


@pytest.mark.slow
def test_everything_works_by_keys(look, tmp_path):
    n = 60 * 200
    looker = look(eeg_record(tmp_path, n=n), width=1100)
    looker.view()
    seconds = looker.view()["t1"]
    looker.press("PageDown")
    looker.live(f"{seconds:.1f}–{2 * seconds:.1f} s of 60.0 s")
    looker.press("Home")
    looker.live(f"0.0–{seconds:.1f} s")
    looker.press("End")
    looker.live("–60.0 s of 60.0 s")
    gain = looker.row("Fp1")["px_per_unit"]
    looker.press("+")
    assert looker.row("Fp1")["px_per_unit"] > gain
    looker.live("5 µV/mm")
    looker.press("2")
    looker.live("double banana")
    looker.press("c")
    looker.until("document.getElementById('caliper').textContent.includes(' ms')")
    assert looker.page.evaluate("() => document.activeElement.id") == "signal"
    outline = looker.page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    looker.press("Escape", "?")
    assert looker.page.locator("dialog[open]").count() == 1
    looker.press("Escape")
    assert looker.page.locator("dialog[open]").count() == 0
    looker.press("t")
    looker.until("document.querySelector('#table td')")
    assert "Fp1-F7" in looker.page.inner_text("#table")
    assert "Not a medical device" in looker.text()


@pytest.mark.slow
def test_controls_have_names_and_the_canvas_a_role(look, tmp_path):
    looker = look(eeg_record(tmp_path))
    looker.view()
    nameless = looker.page.evaluate(
        "() => [...document.querySelectorAll('select, input, button, canvas')].filter((e) =>"
        " !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim())).map((e) => e.outerHTML)"
    )
    assert nameless == []
    assert looker.page.get_attribute("#signal", "role") == "img"
    assert looker.page.get_attribute("#live", "aria-live") == "polite"
    assert looker.page.get_attribute("html", "lang") == "en"


@pytest.mark.slow
def test_a_name_is_text_and_the_token_leaves_the_address(look, tmp_path):
    evil = "<img src=x onerror=alert(1)>"
    looker = look(wfdb_record(tmp_path, "evil", {evil: np.arange(5000)}, 500, "mV"))
    looker.view()
    looker.press("t")
    looker.until("document.querySelector('#table td')")
    assert looker.page.locator("img").count() == 0
    assert evil in looker.page.inner_text("#table")
    assert urlsplit(looker.page.url).fragment == ""
    assert looker.client.server.token not in looker.page.content()


def test_without_a_token_the_page_shows_nothing(look, tmp_path):
    looker = look(eeg_record(tmp_path))
    looker.view()
    other = looker.context.browser.new_context().new_page()
    other.goto(looker.client.server.address.partition("#")[0])
    time.sleep(0.5)
    assert "The token is missing" in other.inner_text("body")
    assert "eeg.hea" not in other.inner_text("body")
    other.context.close()


def test_nothing_leaves_the_machine_and_it_is_small(look):
    looker = look(sorted(samples.path("eegmmidb").glob("*.edf"))[0])
    looker.view()
    looker.press("f")
    looker.until("document.querySelector('#features td')", 60)
    assert {urlsplit(url).hostname for url in looker.asked} == {"127.0.0.1"}
    size = 0
    for url in {url for url in looker.asked if "/static/" in url}:
        size += len(looker.client.request(urlsplit(url).path)[2])
    assert size <= 300_000


@pytest.mark.slow
def test_the_map_opens_what_is_clicked(look, tmp_path):
    path, x = table_of(tmp_path, n=600)
    folder = tmp_path / "files"
    folder.mkdir()
    for i in range(3):
        wfdb_record(folder, f"r{i}", {"II": beats(100_000)}, 250, "mV")
    looker = look(path, signals=folder)
    looker.until("window.biosig && window.biosig.view.places")
    view = looker.page.evaluate("() => window.biosig.view")
    assert view["drawn"] == 600
    assert "600 of 600" in view["note"]
    looker.page.get_by_label("show a").uncheck()
    assert looker.page.evaluate("() => window.biosig.view.drawn") == 400
    box = looker.page.locator("#map").bounding_box()
    at = int(np.argmax(view["points"]["x"]))
    if at % 3 == 0:
        looker.page.get_by_label("show a").check()
    px, py = view["places"][at]
    looker.page.mouse.click(box["x"] + px, box["y"] + py)
    looker.until(f"window.biosig.view.row === {view['points']['rows'][at]}")
    looker.until("window.biosig.view.shown")
    found = looker.page.evaluate("() => window.biosig.view.found")
    distance = 1 - (x @ x[at]) / np.linalg.norm(x, axis=1) / np.linalg.norm(x[at])
    order = [i for i in np.argsort(np.round(distance.astype(float), 9), kind="stable") if i != at][:10]
    assert [each["row"] for each in found["neighbours"]] == order
    assert looker.page.locator("#detail figure canvas").count() == 5


@pytest.mark.slow
def test_the_worst_error_is_first_and_opens_its_signal(look):
    shards = RESULT.parent.parent / "shards" / "ecg"
    looker = look(RESULT, signals=shards)
    looker.until("window.biosig && window.biosig.view.errors")
    looker.until("document.querySelector('#errors canvas') && document.querySelector('#errors canvas').width > 300")
    scores = json.loads((RESULT / "metrics.json").read_text())["scores"]
    shown = looker.page.inner_text("#scores")
    for row in scores:
        assert f"{row['value']:.4g}" in shown
    errors = looker.page.evaluate("() => window.biosig.view.errors")
    assert errors[0]["loss"] == max(error["loss"] for error in errors)
    looker.page.locator("#errors figcaption button").first.click()
    view = looker.view()
    assert view["t0"] == pytest.approx(errors[0]["onset"], abs=0.5 / 100)


def test_axe_finds_nothing_serious(look):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed here.")
    looker = look(sorted(samples.path("ptbxl").rglob("*_hr.hea"))[0])
    looker.press("t")
    looker.until("document.querySelector('#table td')")
    found = axe.Axe().run(looker.page).response["violations"]
    serious = [(each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in ("serious", "critical")]
    assert serious == []
