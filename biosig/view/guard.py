"""Guard in front of every request: host, token and path are checked here, and all else is refused.

The rules are those that local servers were attacked for lacking (docs/view.md, "Security").
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Collection
from typing import Any

HEADER = b"x-biosig-token"
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")

HEADERS = (
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)

App = Callable[[Any, Any, Any], Awaitable[None]]


class Guard:
    """An ASGI application that lets requests through to another.

    Parameters
    ----------
    app : ASGI application
        It answers what passes.
    token : str
        Without it only the paths in `free` are answered.
    free : collection of str
        Paths of the page itself, which hold no data.
    hosts : collection of str
        Names under which the server may be asked for; any port, since tunnels change it.
    """

    def __init__(self, app: App, token: str, free: Collection[str], hosts: Collection[str] = LOOPBACK) -> None:
        self._app, self._token, self._free, self._hosts = app, token.encode(), frozenset(free), frozenset(hosts)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, or refuse, one request."""
        if scope["type"] != "http":
            return  # neither sockets nor a lifespan
        refused = self._refusal(scope)
        if refused:
            await _refuse(send, *refused)
            return

        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in HEADERS}
                kept = [pair for pair in message.get("headers", []) if pair[0].lower() not in names]
                message = {**message, "headers": [*kept, *HEADERS]}
            await send(message)

        await self._app(scope, receive, guarded)

    def _refusal(self, scope: Any) -> tuple[int, str] | None:
        given: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            given.setdefault(name.lower(), []).append(value)
        host = given.get(b"host", [])
        if len(host) != 1 or _name(host[0].decode("latin-1")) not in self._hosts:
            return 403, "This page is for this machine: use the address that biosig view printed."
        origin = given.get(b"origin", [])
        if origin and origin != [b"http://" + host[0]]:
            return 403, "Requests from other pages are refused."
        is_free = scope["path"] in self._free
        opened = is_free and given.get(b"sec-fetch-mode") == [b"navigate"]
        if given.get(b"sec-fetch-site", [b"none"])[0] in (b"cross-site", b"same-site") and not opened:
            return 403, "Requests from other pages are refused."
        if scope["method"] not in ("GET", "HEAD"):
            return 405, "This server only shows: GET and HEAD."
        if is_free:
            return None
        token = given.get(HEADER, [])
        if len(token) != 1 or not hmac.compare_digest(token[0], self._token):
            return 401, "The token is missing or wrong: open the whole address that biosig view printed."
        return None


def _name(host: str) -> str:
    """The name in a Host header, without its port; "" if it is not a name with a port."""
    name, colon, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
    if not colon:
        return host.lower()
    return name.lower() if port.isdigit() else ""


async def _refuse(send: Any, status: int, sentence: str) -> None:
    body = sentence.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode()), *HEADERS]
    if status == 405:
        headers.append((b"allow", b"GET, HEAD"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
