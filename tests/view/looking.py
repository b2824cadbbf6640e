"""Clients of a server of `biosig view`: one that asks it, and one that looks at its page in a browser."""

import base64
import http.client
import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest

for package in ("starlette", "uvicorn"):
    pytest.importorskip(package, reason=f"`biosig view` needs {package}, which is not installed here.")

from biosig.cli.view import page_of  # noqa: E402
from biosig.view.serve import Server  # noqa: E402
from biosig.view.wire import unpack  # noqa: E402

PX_PER_MM = 96 / 25.4


@contextmanager
def served(source, cache, **options):
    """A running server of a source, and its client."""
    with Server(page_of(Path(source), cache=cache, **options)) as server:
        yield Client(server)


@dataclass
class Client:
    """Asks a server, token in hand."""

    server: Server

    def request(self, path, method="GET", token=None, **headers):
        """Status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.putheader("X-Biosig-Token", self.server.token if token is None else token)
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body

    def json(self, path, **parameters):
        """What a path answers."""
        status, _, body = self.request(f"{path}?{urlencode(parameters)}")
        assert status == 200, body
        return json.loads(body)

    def signal(self, step, first, n, number=0, group=0, montage="as recorded", filters="", bad=""):
        """Header and arrays of a stretch."""
        ask = {"group": group, "montage": montage, "filters": filters, "step": step, "first": first, "n": n, "bad": bad}
        status, _, body = self.request(f"/api/recordings/{number}/signal?{urlencode(ask)}")
        assert status == 200, body
        return unpack(body)


class Looker:
    """A page in a browser."""

    def __init__(self, browser, client, width, height):
        self.client, self.trouble, self.asked = client, [], []
        self.context = browser.new_context(viewport={"width": width, "height": height}, device_scale_factor=1)
        self.page = self.context.new_page()
        self.page.on("console", lambda m: self.trouble.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.trouble.append(f"dialog {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(client.server.address)

    def until(self, script, seconds=20.0):
        """Wait until a script is true; the page's policy forbids what Playwright would do itself."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self.page.evaluate(f"() => {script}")
            if found:
                return found
            time.sleep(0.03)
        raise AssertionError(f"{script} did not come true; the page says: {self.page.inner_text('body')[:600]}")

    def view(self):
        """What is drawn, once nothing more is on its way."""
        self.until("window.biosig && window.biosig.view.ready > 0 && window.biosig.view.pending === 0")
        self.page.wait_for_timeout(60)  # a frame
        return self.until("window.biosig.view.pending === 0 && window.biosig.view")

    def row(self, name, nth=0):
        """The row of that name."""
        return [row for row in self.view()["rows"] if row["name"] == name][nth]

    def press(self, *keys):
        self.view()
        for key in keys:
            self.page.keyboard.press(key)

    def choose(self, name, **chosen):
        """Choose in the select of that name, by `value` or by the `label` that is read."""
        self.view()
        self.page.get_by_label(name, exact=True).select_option(timeout=3000, **chosen)

    def pixels(self):
        """The canvas as an array (height, width, 4)."""
        self.view()
        script = (
            "() => { const c = document.getElementById('signal');"
            " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height);"
            " let s = ''; for (const v of d.data) s += String.fromCharCode(v); return [c.width, c.height, btoa(s)]; }"
        )
        width, height, text = self.page.evaluate(script)
        return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4).astype(int)

    def text(self):
        return self.page.inner_text("body")

    def live(self, words):
        """Wait until the live line has these words."""
        return self.until(f"document.getElementById('live').textContent.includes({json.dumps(words)})")

    def close(self):
        self.context.close()
        return self.trouble


def wfdb_record(folder, name, signals, sfreq, units, gain=1000):
    """A WFDB record of known integers: name → int16 samples; −32768 is no value."""
    samples = np.stack(list(signals.values()))
    samples.T.astype("<i2").tofile(folder / f"{name}.dat")
    lines = [f"{name} {len(signals)} {sfreq:g} {samples.shape[1]}"]
    lines += [f"{name}.dat 16 {gain}(0)/{units} 16 0 {x[0]} 0 0 {lead}" for lead, x in signals.items()]
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")
    return folder / f"{name}.hea"
