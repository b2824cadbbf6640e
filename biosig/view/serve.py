"""`Server`: the page on a free port of this machine, for clients that have its token."""

from __future__ import annotations

import secrets
import socket
import threading
import time

import uvicorn

from biosig.errors import UsageError
from biosig.view.app import Page
from biosig.view.guard import LOOPBACK

TOKEN_BYTES = 32


class Server:
    """A running page.

    Parameters
    ----------
    page : Page
        Content that it shows.
    port : int
        0 = one that is free.
    host : str
        Address of the interface; anything but 127.0.0.1 lets other machines ask, token in hand.

    Raises
    ------
    UsageError
        If the port is taken or the address is none of this machine.
    """

    def __init__(self, page: Page, port: int = 0, host: str = "127.0.0.1") -> None:
        self.token = secrets.token_urlsafe(TOKEN_BYTES)
        try:
            self._socket = socket.create_server((host, port), backlog=128)
        except OSError as error:
            raise UsageError(f"{host}:{port} cannot be used ({error.strerror}): choose another --port.") from None
        self.host, self.port = host, self._socket.getsockname()[1]
        config = uvicorn.Config(
            page.app(self.token, (*LOOPBACK, host)),
            http="h11",
            ws="none",
            lifespan="off",
            loop="asyncio",
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server, self._page = uvicorn.Server(config), page

    @property
    def address(self) -> str:
        """The address with its token, which a browser keeps to itself: what follows # is sent to no server."""
        return f"http://{self.host}:{self.port}/#{self.token}"

    def run(self) -> None:
        """Serve until Ctrl-C."""
        threading.Thread(target=self._page.warm, name="biosig view: open", daemon=True).start()
        self._server.run(sockets=[self._socket])

    def __enter__(self) -> Server:
        self._thread = threading.Thread(target=self.run, name="biosig view", daemon=True)
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(5)
