"""The verb `view`: recordings, embeddings and results in a web page of this machine."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from biosig.cli.tables import print_lines
from biosig.errors import UsageError

if TYPE_CHECKING:
    from biosig.view.app import Page


def view(
    source: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    signals: Path | None = None,
    model: str | None = None,
    port: int = 0,
    host: str = "127.0.0.1",
    cache: Path | None = None,
    browser: bool = True,
) -> int:
    """Show recordings, an embedding table or a result folder in a local web page, until Ctrl-C.

    Nothing is fetched from the internet and nothing leaves the machine. For research, not a medical device.

    Parameters
    ----------
    source : Path
        A recording's file, a folder of them, shards, a table of `biosig embed`, or a result folder.
    signals : Path
        The recordings of a table or a result: shards, a file or a folder of files.
    model : str
        Weights whose heads are asked about the signal in view.
    port : int
        0 = a free one.
    host : str
        The interface; anything but 127.0.0.1 lets other machines in that know the token.
    cache : Path
        Folder for overviews of long recordings; default ~/.cache/biosig/view.
    browser : bool
        Open a browser where there is a screen.
    """
    try:
        from biosig.view.serve import Server
    except ImportError as error:
        raise UsageError(f"'biosig view' needs {error.name}: pip install starlette uvicorn.") from None
    server = Server(page_of(source, signals, model, cache), port, host)
    lines = [f"Open {server.address}", "Ctrl-C ends it. For research, not a medical device."]
    if host != "127.0.0.1":
        lines.append(f"Other machines can reach it at {host}: whoever has the address sees the data.")
    print_lines(Console(soft_wrap=True), *lines)
    if browser and (
        sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        _open(server.address)
    server.run()
    return 0


def page_of(source: Path, signals: Path | None = None, model: str | None = None, cache: Path | None = None) -> Page:
    """The pages that `view` shows of a source.

    Raises
    ------
    UsageError
        If it holds nothing that can be shown.
    """
    from biosig.view.app import Page
    from biosig.view.library import Library
    from biosig.view.pyramid import cache_folder

    if not source.exists() and not source.with_name(source.name + ".hea").exists():
        raise UsageError(f"{source} does not exist: check the path.")
    folder = cache_folder() if cache is None else cache
    named = None if signals is None else Library(signals)
    heads = None
    if model is not None:
        from biosig.view.heads import Heads

        heads = Heads(model)
    if source.suffix == ".parquet":
        from biosig.view.embeddings import Map

        return Page(source.name, folder, named, map=Map(source, named), heads=heads)
    if (source / "metrics.json").is_file():
        from biosig.view.results import Errors

        return Page(source.name, folder, named, errors=Errors(source), heads=heads)
    if signals is not None:
        raise UsageError("--signals is for a table or a result: leave it out for recordings.")
    return Page(source.name, folder, Library(source), heads=heads)


def _open(address: str) -> None:
    """Open a browser by a file that only this user can read: the list of processes shows that, and not the token."""
    import webbrowser

    text = f'<meta http-equiv="refresh" content="0; url={address}"><p><a href="{address}">biosig view</a></p>'
    with tempfile.NamedTemporaryFile("w", prefix="biosig-view-", suffix=".html", delete=False) as file:
        file.write(text)
    webbrowser.open(Path(file.name).as_uri())
