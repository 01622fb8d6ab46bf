"""Blocking or async work in a daemon thread of its own. Sync and async callers can wait for it.

Sync and async code meet only here. No thread outlives its work, and no lock is held while it runs.
A caller that gives up, is cancelled or loses its event loop disturbs no other caller.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from vectorshift.errors import CredentialStoreUnavailableError, VectorshiftError, fresh_copy

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

__all__ = ["BackgroundTask", "SharedWork", "arun_blocking", "run_async"]

T = TypeVar("T")


class BackgroundTask(Generic[T]):
    """Runs `work` in a daemon thread after `start`. Any number of callers can wait for its result.

    Thread-safe. Several event loops can wait for it at once, under asyncio and trio.

    Args:
        work: what to run. It should return its result; if it raises, `result` raises the error.
        context: the context that the work runs in; an empty one by default.
    """

    def __init__(
        self, work: Callable[[], T], *, context: contextvars.Context | None = None
    ) -> None:
        self._work: Callable[[], T] | None = work
        self._done = threading.Event()
        self._lock = threading.RLock()  # a signal handler may come here while its thread is in here
        self._started = False
        self._wakers: list[Callable[[], None]] = []
        self._result: list[T] = []
        self._error: BaseException | None = None
        self._pid = os.getpid()
        self._context = context or contextvars.Context()

    def start(self) -> Self:
        """Start the thread, unless it was started; return this task.

        Raises:
            CredentialStoreUnavailableError: no thread can be started.
        """
        with self._lock:
            if not self._started:
                self._started = True
                run = self._context.run
                try:
                    threading.Thread(
                        target=run, args=(self._run,), name="vectorshift-load", daemon=True
                    ).start()
                except BaseException as error:
                    self._started = False
                    if not isinstance(error, RuntimeError):
                        raise
                    raise CredentialStoreUnavailableError(
                        "Cannot start a thread: there are too many, or the process is ending."
                    ) from None
        return self

    @property
    def running(self) -> bool:
        """True while the work runs in this process: a forked child has no threads of its parent."""
        return not self._done.is_set() and self._pid == os.getpid()

    def wait(self, timeout: float | None) -> bool:
        """Block for at most `timeout` seconds (None: for ever); return whether the work is done."""
        return self._done.wait(timeout)

    async def wait_async(self, timeout: float | None) -> bool:
        """Wait without blocking the event loop, for at most `timeout` seconds; return whether the
        work is done.
        """
        woken = _Woken()
        with self._lock:
            waiting = not self._done.is_set()
            if waiting:
                self._wakers.append(woken.wake)
        if not waiting:
            return True
        try:
            await woken.wait(timeout)
        finally:
            with self._lock:
                if woken.wake in self._wakers:
                    self._wakers.remove(woken.wake)
        return self._done.is_set()

    def result(self) -> T:
        """Return the result of the work, or raise its error. Call this only when the work is done.

        Each caller gets its own copy of our errors: the traceback of a shared one would grow with
        each raise.
        """
        error = self._error
        if error is not None:
            raise fresh_copy(error) if isinstance(error, VectorshiftError) else error
        return self._result[0]

    def _run(self) -> None:
        work, self._work = self._work, None
        assert work is not None
        try:
            self._result.append(work())
        except BaseException as error:
            self._error = error
        finally:
            with self._lock:
                self._done.set()
                wakers, self._wakers = self._wakers, []
            for wake in wakers:
                # A broken event loop must not keep others waiting.
                with contextlib.suppress(Exception):
                    wake()


class _Woken:
    """Lets a task of the running event loop wait until any thread wakes it.

    Does not use anyio: a first call would import it here, on the event loop.
    """

    def __init__(self) -> None:
        import asyncio  # it takes 20 ms, which sync programs save

        self._trio: Any = None
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            import trio

            self._trio, self._event = trio.lowlevel.current_trio_token(), trio.Event()
        else:
            self._future: asyncio.Future[None] = self._loop.create_future()

    def wake(self) -> None:
        """Wake the task, unless its event loop has ended."""
        if self._trio is None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._wake)
            return
        import trio

        with contextlib.suppress(trio.RunFinishedError):
            self._trio.run_sync_soon(self._event.set)

    def _wake(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    async def wait(self, timeout: float | None) -> None:
        """Wait for at most `timeout` seconds."""
        if self._trio is None:
            # before Python 3.12, wait_for may lose a cancellation
            from asyncio import wait

            await wait([self._future], timeout=timeout)
            return
        import trio

        with trio.move_on_after(float("inf") if timeout is None else timeout):
            await self._event.wait()


class SharedWork(Generic[T]):
    """Blocking work in a thread of its own. Async callers that come while it runs share its result.

    The work runs without the context variables of the callers.
    """

    def __init__(self) -> None:
        self._task: BackgroundTask[T] | None = None
        self._purpose: object = None

    async def ajoin(self, work: Callable[[], T], purpose: object = None) -> T:
        """Join the work that runs for the same purpose, or start this. Return its result, or raise
        its error.

        Raises:
            CredentialStoreUnavailableError: no thread can be started.
        """
        task = self._task
        if task is None or not task.running or self._purpose is not purpose:
            self._purpose, self._task = purpose, (task := BackgroundTask(work))
        await task.start().wait_async(None)
        return task.result()


async def arun_blocking(work: Callable[[], T]) -> T:
    """Run blocking work for an async caller, in a thread of its own with the caller's context
    variables.

    Raises:
        CredentialStoreUnavailableError: no thread can be started.
    """
    task = BackgroundTask(work, context=contextvars.copy_context()).start()
    await task.wait_async(None)
    return task.result()


def run_async(work: Callable[[], Any]) -> Any:
    """Run a coroutine function for a sync caller, in a thread and an event loop of its own.

    The coroutine has the caller's context variables. It must not keep anything bound to its loop.

    Raises:
        CredentialStoreUnavailableError: no thread can be started.
    """
    import asyncio

    context = contextvars.copy_context()
    task = BackgroundTask[Any](lambda: asyncio.run(work()), context=context).start()
    task.wait(None)
    return task.result()
