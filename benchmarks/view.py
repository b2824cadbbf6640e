"""Speed and memory of `biosig view` on a made day of EEG: 64 channels at 256 Hz, 24 h, 2.8 GB.

    python benchmarks/view.py --folder /tmp/day

It writes the recording once, starts the verb, opens it in Chromium (Debian's, by Playwright), turns 200 pages, and
prints the figures of docs/view.md: first trace, page turn, answers of the server, memory of both.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

N_CHANNELS, SFREQ = 64, 256
NAMES = [
    "Fp1", "Fp2", "F7", "F8", "F3", "F4", "T7", "T8", "C3", "C4", "P7", "P8", "P3",
    "P4", "O1", "O2", "Fz", "Cz", "Pz", "AF3", "AF4", "AF7", "AF8", "F1", "F2", "F5",
    "F6", "FC1", "FC2", "FC3", "FC4", "FC5", "FC6", "FT7", "FT8", "C1", "C2", "C5", "C6",
    "TP7", "TP8", "CP1", "CP2", "CP3", "CP4", "CP5", "CP6", "P1", "P2", "P5", "P6", "PO3",
    "PO4", "PO7", "PO8", "Oz", "POz", "FCz", "CPz", "FT9", "FT10", "TP9", "TP10", "AFz",
]  # fmt: skip


def make_day(path: Path, hours: float) -> None:
    """An EDF whose hours differ by a slow wave, so that an overview shows something."""
    n_records = int(hours * 3600)
    fields = [
        ("0", 8), ("X X X X", 80), ("Startdate X X X X", 80), ("01.01.85", 8), ("00.00.00", 8),
        (str(256 * (N_CHANNELS + 1)), 8), ("", 44), (str(n_records), 8), ("1", 8), (str(N_CHANNELS), 4),
    ]  # fmt: skip
    columns = [
        ([f"EEG {name}" for name in NAMES], 16), ([""] * 64, 80), (["uV"] * 64, 8), (["-3276.8"] * 64, 8),
        (["3276.7"] * 64, 8), (["-32768"] * 64, 8), (["32767"] * 64, 8), ([""] * 64, 80),
        ([str(SFREQ)] * 64, 8), ([""] * 64, 32),
    ]  # fmt: skip
    header = "".join(text.ljust(width) for text, width in fields)
    header += "".join(text.ljust(width) for texts, width in columns for text in texts)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 200, (60, N_CHANNELS, SFREQ)).cumsum(axis=2) * 0.2 + rng.normal(
        0, 100, (60, N_CHANNELS, SFREQ)
    )
    with path.open("wb") as file:
        file.write(header.encode("ascii"))
        for minute in range(n_records // 60):
            size = 1 + 0.8 * np.sin(2 * np.pi * minute / 90)
            file.write((noise * size).astype("<i2").tobytes())


def memory(pid: int, what: str = "VmRSS") -> float:
    """Megabytes of a process; RssAnon is what the system could not drop."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def is_ours(pid: int) -> bool:
    """True if a process was started by this one, or by one that was."""
    while pid > 1 and pid != os.getpid():
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pid == os.getpid()


def of_browser() -> float:
    """Megabytes of the pages of the browser that this process started."""
    total = 0.0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"--type=renderer" in path.read_bytes() and is_ours(int(path.parent.name)):
                total += memory(int(path.parent.name), "RssAnon")
        except OSError:
            continue
    return total


def until(page, script: str, seconds: float = 120.0) -> float:
    """Seconds until a script is true."""
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        if page.evaluate(f"() => Boolean({script})"):
            return time.perf_counter() - start
        time.sleep(0.005)
    raise TimeoutError(script)


TURN = """() => new Promise((done) => {
  const start = performance.now(), ready = window.biosig.view.ready;
  document.dispatchEvent(new KeyboardEvent("keydown", { key: "KEY" }));
  const look = () => { const v = window.biosig.view;
    if (v.ready > ready && v.pending === 0) done(performance.now() - start); else requestAnimationFrame(look); };
  requestAnimationFrame(look);
})"""


HEAP = "() => performance.memory.usedJSHeapSize / 2 ** 20"
"""Memory of the page's script in MB, without arrays of samples."""


def jump_time(page: Any, second: float) -> float:
    """Milliseconds from a time typed into the page until it is drawn."""
    script = f"() => {{ const g = document.querySelector('input[type=number]'); g.value = {second};"
    script += " g.dispatchEvent(new Event('change')); }"
    start = time.perf_counter()
    page.evaluate(script)
    until(page, "window.biosig.view.pending === 0")
    return 1000 * (time.perf_counter() - start)


def answer_time(address: str, first: int) -> float:
    """Milliseconds until the server has sent a page of the double banana from a column on."""
    port, token = re.search(r":(\d+)/#(.+)", address).groups()  # type: ignore[union-attr]
    ask = f"group=0&montage=double+banana&step={1 / 113.4}&first={first}&n=1024"
    url = f"http://127.0.0.1:{port}/api/recordings/0/signal?{ask}"
    request = urllib.request.Request(url, headers={"X-Biosig-Token": token})
    start = time.perf_counter()
    urllib.request.urlopen(request).read()
    return 1000 * (time.perf_counter() - start)


def main() -> None:
    """Measure and print."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--turns", type=int, default=200)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    path = asked.folder / "day.edf"
    if not path.exists():
        make_day(path, asked.hours)
    cache = asked.folder / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    script = "from biosig.cli.main import main; import sys; from biosig.cli.view import view; from pathlib import Path;"
    script += f"view(Path({str(path)!r}), cache=Path({str(cache)!r}), browser=False)"
    server = subprocess.Popen([sys.executable, "-u", "-c", script], stdout=subprocess.PIPE, text=True)
    found: dict[str, object] = {"megabytes": round(path.stat().st_size / 1e6)}
    try:
        line = server.stdout.readline()  # type: ignore[union-attr]
        address = line.split()[-1]
        with sync_playwright() as driver:
            browser = driver.chromium.launch(
                executable_path=shutil.which("chromium"),
                args=["--no-sandbox", "--js-flags=--expose-gc", "--enable-precise-memory-info"],
            )
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            start = time.perf_counter()
            page.goto(address)
            until(page, "window.biosig && window.biosig.view.ready > 0 && window.biosig.view.rows[0].mode === 'raw'")
            found["first trace, s"] = round(time.perf_counter() - start, 2)
            page.wait_for_timeout(1500)
            for _ in range(asked.turns):  # until the 64 MB of samples that a page keeps are full
                page.evaluate(TURN.replace("KEY", "PageDown"))
            page.evaluate("() => gc()")
            before = (memory(server.pid, "RssAnon"), of_browser(), page.evaluate(HEAP))
            turns = [page.evaluate(TURN.replace("KEY", "PageDown")) for _ in range(asked.turns)]
            far = [jump_time(page, i * 4000 + 777) for i in range(20)]
            page.evaluate("() => gc()")
            page.wait_for_timeout(500)
            after = (memory(server.pid, "RssAnon"), of_browser(), page.evaluate(HEAP))
            found["page turn, ms: median, p95"] = [round(float(np.percentile(turns, q)), 1) for q in (50, 95)]
            found["jump, ms: median, p95"] = [round(float(np.percentile(far, q)), 1) for q in (50, 95)]
            found["memory before and after turns, MB: server, renderer, its script"] = [
                [round(x) for x in pair] for pair in (before, after)
            ]
            start = time.perf_counter()
            page.get_by_label("Page", exact=True).select_option(value="all")
            until(page, "window.biosig.view.rows[0].columns.length > 1000 && window.biosig.view.pending === 0", 600)
            until(page, "!window.biosig.view.rows[0].gaps.length", 600)
            found["overview of all of it, s"] = round(time.perf_counter() - start, 1)
            page.screenshot(path=asked.folder / "day.png")
            moves = [page.evaluate(TURN.replace("KEY", "+")) for _ in range(5)]
            found["overview redrawn, ms"] = round(statistics.median(moves), 1)
            answers = [answer_time(address, 1024 * 7 * i) for i in range(200)]
            found["answer of the server for a page of double banana, ms: median, p95"] = [
                round(float(np.percentile(answers, q)), 1) for q in (50, 95)
            ]
            found["server, MB: anonymous, resident, most ever"] = [
                round(memory(server.pid, what)) for what in ("RssAnon", "VmRSS", "VmHWM")
            ]
            browser.close()
    finally:
        server.terminate()
        server.wait(10)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
