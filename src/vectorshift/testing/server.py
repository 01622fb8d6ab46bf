"""An ASGI application on a loopback port, served by uvicorn in a thread and an event loop of its
own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["LoopbackServer"]

_PATIENCE = 10.0  # seconds for a start or a stop; both take milliseconds


class LoopbackServer:
    """Serve an ASGI application on 127.0.0.1. May be stopped and started again, on the same port.

    Args:
        app: the application.
        name: the name of the thread.
    """

    def __init__(self, app: ASGIApp, *, name: str) -> None:
        self._app = app
        self._name = name
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._uvicorn: uvicorn.Server | None = None
        self.port = 0

    @property
    def running(self) -> bool:
        """Return whether the port answers."""
        return self._thread is not None

    def start(self) -> None:
        """Listen, and return once requests are answered.

        Raises:
            RuntimeError: it runs already.
            OSError: the port it had before was taken meanwhile.
        """
        if self._thread is not None:
            raise RuntimeError(f"{self._name} runs already, on port {self.port}.")
        listener = _listening(self.port)
        self.port = listener.getsockname()[1]
        ready: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(listener, ready), name=self._name, daemon=True
        )
        self._thread.start()
        try:
            ready.result(_PATIENCE)
        except BaseException:
            self._thread = None
            listener.close()
            raise

    def close(self) -> None:
        """Stop at once; requests in flight get no answer. Harmless when not running."""
        thread, self._thread = self._thread, None
        if thread is None or self._loop is None or self._stopping is None:
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        thread.join(_PATIENCE)
        if thread.is_alive():
            raise RuntimeError(f"{self._name} did not stop within {_PATIENCE:.0f} seconds.")

    def hang_up(self, client: tuple[str, int] | None) -> None:
        """Close the connection from `client` without an answer. To be called by the application
        alone.
        """
        assert self._uvicorn is not None
        for connection in list(self._uvicorn.server_state.connections):
            if connection.transport.get_extra_info("peername") == client:
                connection.transport.abort()

    def _run(self, listener: socket.socket, ready: Future[None]) -> None:
        try:
            asyncio.run(self._serve(listener, ready))
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    async def _serve(self, listener: socket.socket, ready: Future[None]) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        # Not `serve()`: that one logs, takes the signals, and looks only every 0.1 s whether it
        # should stop.
        server = self._uvicorn = _configured(self._unless_stopped)
        await server.startup(sockets=[listener])
        ready.set_result(None)
        await self._stopping.wait()
        await _end(server, listener)

    async def _unless_stopped(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except (
            asyncio.CancelledError
        ):  # from `_end`; uvicorn would log it as a fault of the application
            return


def _listening(port: int) -> socket.socket:
    # asyncio turns Nagle's algorithm off only where the protocol is named; with it each answer
    # takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere the option lets two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        raise
    return listener


def _configured(app: ASGIApp) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        interface="asgi3",
        workers=1,
        proxy_headers=False,  # a client may send X-Forwarded-For; `hang_up` needs the real address
        date_header=False,
        server_header=False,
        timeout_keep_alive=75,
        log_config=None,
    )
    # As an argument it would mute the access log of every other uvicorn in the process.
    config.access_log = False
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    return server


async def _end(server: uvicorn.Server, listener: socket.socket) -> None:
    # First accept no more, and close the listener last: asyncio trips over a connection that was
    # accepted just before its listener closed.
    with contextlib.suppress(NotImplementedError):  # Windows accepts in another way
        asyncio.get_running_loop().remove_reader(listener)
    state, mine = server.server_state, asyncio.current_task()
    while state.connections or asyncio.all_tasks() != {mine}:
        for connection in list(state.connections):
            connection.transport.abort()
        if (
            not state.connections
        ):  # uvicorn complains about a task that ends before its connection is gone
            for task in list(state.tasks):
                task.cancel()
        await asyncio.sleep(0)
    for accepting in server.servers:
        accepting.close()
