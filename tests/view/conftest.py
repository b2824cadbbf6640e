"""Servers of made and real recordings, and a browser for the tests that look at the page."""

import shutil

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def serve(tmp_path):
    """Serve a source until the test ends; gives a client of it."""
    from tests.view.looking import served

    running = []

    def start(source, **options):
        context = served(source, tmp_path / "cache", **options)
        running.append(context)
        return context.__enter__()

    yield start
    for context in running:
        context.__exit__(None, None, None)


@pytest.fixture(scope="session")
def chromium():
    """The system's Chromium; tests that need one are skipped where there is none."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="Tests in a browser need the package playwright, which is not installed here."
    )
    if CHROMIUM is None:
        pytest.skip(
            "There is no Chromium on this machine: tests in a browser are skipped, the server's answers are not."
        )
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def look(chromium, serve):
    """Open a source in the browser; errors of the page fail the test at its end."""
    from tests.view.looking import Looker

    lookers = []

    def start(source, width=1280, height=900, client=None, **options):
        client = client or serve(source, **options)
        looker = Looker(chromium, client, width, height)
        lookers.append(looker)
        return looker

    yield start
    trouble = [line for looker in lookers for line in looker.close()]
    assert not trouble, trouble
