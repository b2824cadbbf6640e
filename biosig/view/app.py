"""The server's answers: which address gives what. Clients name recordings by number, never by path."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from biosig import __version__
from biosig.errors import BiosigError
from biosig.view import wire
from biosig.view.annotations import within
from biosig.view.filters import Filters
from biosig.view.guard import LOOPBACK, Guard
from biosig.view.library import Library, sentence
from biosig.view.measures import measured
from biosig.view.signals import Signals

if TYPE_CHECKING:
    from biosig.view.embeddings import Map
    from biosig.view.heads import Heads
    from biosig.view.results import Errors

STATIC = {
    "index.html": "text/html",
    "style.css": "text/css",
    **dict.fromkeys(
        (
            "main.js",
            "net.js",
            "scale.js",
            "layout.js",
            "draw.js",
            "trace.js",
            "calipers.js",
            "recording.js",
            "map.js",
            "result.js",
        ),
        "text/javascript",
    ),
}
MOST_LISTED = 200


class Page:
    """Contents of one `biosig view`.

    Parameters
    ----------
    title : str
        Name of the source.
    library : Library or None
        The recordings; of a table or a result those that ``--signals`` names.
    map : Map or None
        Of an embedding table.
    errors : Errors or None
        Of a result folder.
    heads : Heads or None
        A model whose heads are asked.
    cache : Path
        Folder of pyramids.
    """

    def __init__(
        self,
        title: str,
        cache: Path,
        library: Library | None = None,
        map: Map | None = None,  # noqa: A002
        errors: Errors | None = None,
        heads: Heads | None = None,
    ) -> None:
        self.title, self.cache, self.library = title, cache, library
        self.map, self.errors, self.heads = map, errors, heads

    def app(self, token: str, hosts: Sequence[str] = LOOPBACK) -> Guard:
        """The application, behind its guard."""
        static = {f"/static/{name}" for name in STATIC}
        routes = [
            Route("/", _file("index.html")),
            Route("/favicon.ico", lambda _: Response(status_code=204)),
            *(Route(f"/static/{name}", _file(name)) for name in STATIC),
            Route("/api/source", self._answer(self.source)),
            Route("/api/recordings", self._answer(self.recordings)),
            Route("/api/recordings/{n:int}", self._answer(self.describe)),
            Route("/api/recordings/{n:int}/person", self._answer(self.person)),
            Route("/api/recordings/{n:int}/signal", self._answer(self.signal)),
            Route("/api/recordings/{n:int}/annotations", self._answer(self.annotations)),
            Route("/api/recordings/{n:int}/features", self._answer(self.features)),
            Route("/api/recordings/{n:int}/heads", self._answer(self.of_heads)),
        ]
        if self.map is not None:
            routes += [
                Route("/api/map", self._answer(self.points)),
                Route("/api/map/colour", self._answer(self.colour)),
                Route("/api/map/row", self._answer(self.row)),
            ]
        if self.errors is not None:
            routes += [Route("/api/result", self._answer(self.result)), Route("/api/errors", self._answer(self.worst))]
        return Guard(Starlette(routes=routes), token, {"/", "/favicon.ico", *static}, hosts)

    def warm(self) -> None:
        """Open the one recording that there is, so that its page need not wait; what fails, the page says."""
        if self.library is not None and len(self.library) == 1 and self.map is None and self.errors is None:
            with contextlib.suppress(Exception):
                self._open(0)

    def source(self, _: Request) -> Any:
        """List of all pages."""
        return {
            "version": __version__,
            "title": self.title,
            "kind": "map" if self.map else "result" if self.errors else "recordings",
            "n_recordings": len(self.library) if self.library else 0,
            "notes": self.library.notes if self.library else [],
            "model": self.heads.title if self.heads else None,
        }

    def recordings(self, request: Request) -> Any:
        """A part of the list of recordings, by words in their names."""
        entries = self.library.entries if self.library else []
        words = request.query_params.get("words", "").lower().split()
        found = [i for i, entry in enumerate(entries) if all(word in entry.name.lower() for word in words)]
        start = max(_integer(request, "from", 0), 0)
        return {
            "n_found": len(found),
            "recordings": [
                {"number": i, "name": entries[i].name, "duration": entries[i].duration}
                for i in found[start : start + MOST_LISTED]
            ],
        }

    def describe(self, request: Request) -> Any:
        """One recording, without its person."""
        number = request.path_params["n"]
        signals = self._signals(request)
        assert self.library is not None
        return {"number": number, "name": self.library.entries[number].name, **signals.describe()}

    def person(self, request: Request) -> Any:
        """The person's facts, sent only when a button asks for them."""
        subject = self._signals(request).recording.subject
        return asdict(subject) if subject else {}

    def signal(self, request: Request) -> Response:
        """A stretch of signal (`Signals.body`)."""
        ask = request.query_params
        bad = [name for name in ask.get("bad", "").split("\t") if name][:512]
        body = self._signals(request).body(
            _integer(request, "group", 0),
            ask.get("montage", ""),
            Filters.parse(ask.get("filters", "")),
            _number(request, "step"),
            _integer(request, "first", 0),
            _integer(request, "n", 0),
            bad,
        )
        return Response(body, media_type=wire.MEDIA_TYPE)

    def annotations(self, request: Request) -> Any:
        """Annotations that touch a stretch."""
        signals = self._signals(request)
        start, stop, step = (_number(request, name) for name in ("from", "to", "step"))
        return within(signals.recording.annotations, start, stop, step)

    def features(self, request: Request) -> Any:
        """Features of a stretch."""
        return measured(self._signals(request).recording, *self._stretch(request))

    def of_heads(self, request: Request) -> Any:
        """Numbers of the model's heads for a stretch."""
        if self.heads is None:
            raise HTTPException(404, "No model was named: start with --model.")
        return self.heads.of(self._signals(request).recording, *self._stretch(request))

    def points(self, request: Request) -> Any:
        """The map."""
        assert self.map is not None
        return self.map.points(request.query_params.get("modality"))

    def colour(self, request: Request) -> Any:
        """Values of a column, by which points are coloured."""
        assert self.map is not None
        return self.map.colour(request.query_params.get("column", ""))

    def row(self, request: Request) -> Any:
        """One row of the table and its nearest neighbours."""
        assert self.map is not None
        found = self.map.row(_integer(request, "row", -1))
        for one in (found, *found["neighbours"]):
            one["number"] = self.library.number_of(one["recording"]) if self.library else None
        return found

    def result(self, _: Request) -> Any:
        """The scores of a result."""
        assert self.errors is not None
        return self.errors.summary()

    def worst(self, request: Request) -> Any:
        """The worst errors of one method."""
        assert self.errors is not None
        found = self.errors.worst(request.query_params.get("method", "model"), _integer(request, "n", 50))
        for one in found["errors"]:
            one["number"] = self.library.number_of(one["recording"]) if self.library else None
        return found

    def _signals(self, request: Request) -> Signals:
        number = request.path_params["n"]
        if self.library is None or not 0 <= number < len(self.library):
            raise HTTPException(404, "There is no such recording.")
        return self._open(number)

    def _open(self, number: int) -> Signals:
        assert self.library is not None
        return self.library.get(number, lambda recording: Signals(recording, self.cache))

    @staticmethod
    def _stretch(request: Request) -> tuple[float, float]:
        start, stop = _number(request, "from"), _number(request, "to")
        if not 0 < stop - start <= 600:
            raise HTTPException(400, "Stretches of up to 600 s are measured: shorten the page.")
        return start, stop - start

    @staticmethod
    def _answer(function: Callable[[Request], Any]) -> Callable[[Request], Response]:
        def answer(request: Request) -> Response:
            try:
                found = function(request)
            except (BiosigError, OSError) as error:
                return _json({"error": sentence(error)}, 422)
            return found if isinstance(found, Response) else _json(found)

        return answer


def _file(name: str) -> Callable[[Request], Response]:
    def answer(_: Request) -> Response:
        text = files("biosig.view").joinpath("static", name).read_text(encoding="utf-8")
        return Response(text, media_type=STATIC[name])

    return answer


def _json(content: Any, status: int = 200) -> Response:
    return Response(json.dumps(plain(content), allow_nan=False), status, media_type="application/json")


def plain(value: Any) -> Any:
    """A value as JSON has it: numbers that are none, or infinite, become null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _integer(request: Request, name: str, default: int) -> int:
    try:
        return int(request.query_params.get(name, default))
    except ValueError:
        raise HTTPException(400, f"{name} must be a whole number.") from None


def _number(request: Request, name: str) -> float:
    try:
        value = float(request.query_params.get(name, ""))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise HTTPException(400, f"{name} must be a number.")
    return value
