"""A key that is rotated in its store under running calls."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import vectorshift
from vectorshift import Pipeline, VectorshiftError
from vectorshift.credentials.values import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from vectorshift.testing import FakeVectorShift

__all__ = ["Rotation", "rotate_under_traffic"]

_THREADS = 4
_TASKS = 4
_CALLS = 250
_WITHIN = 20.0


@dataclass(slots=True)
class Rotation:
    """The outcome of calls while the key changed under them.

    Args:
        store: the store, for a person.
        old: the fingerprint of the key before.
        new: the fingerprint of the key after.
        calls: how many calls were made.
        errors: the messages of those that failed.
        seconds: from the write to the first call with the new key, or None if none was made.
    """

    store: str
    old: str
    new: str
    calls: int = 0
    errors: list[str] = field(default_factory=list[str])
    seconds: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextlib.contextmanager
    def call(self) -> Generator[None, None, None]:
        """Count the call in the block, and keep its error if it fails."""
        errors: list[str] = []
        try:
            yield
        except VectorshiftError as error:
            errors.append(str(error))
        with self._lock:
            self.calls += 1
            self.errors += errors

    @property
    def flaws(self) -> list[str]:
        """The failed calls, and a new key that no call used."""
        found: list[str] = []
        if self.errors:
            found.append(
                f"{self.store}: {len(self.errors)} calls failed, the first with: {self.errors[0]}"
            )
        if self.seconds is None:
            found.append(f"{self.store}: no call used the new key within {_WITHIN:g} s")
        return found

    def __str__(self) -> str:
        took = "never" if self.seconds is None else f"{self.seconds * 1000:.0f} ms after the write"
        return (
            f"{self.store}: rotated from {self.old} to {self.new} and revoked the old key under"
            f" traffic: {self.calls} calls, {len(self.errors)} failed, new key in use {took}."
        )


def rotate_under_traffic(
    store: str, api: FakeVectorShift, variables: dict[str, str], write: Callable[[str], object]
) -> Rotation:
    """Rotate the key while threads and tasks make calls without a pause, and revoke the old one at
    once.
    """
    os.environ.update(variables)
    old, new = api.create_key(org="delta"), api.create_key(org="delta")
    write(old)
    vectorshift.reset()
    rotation = Rotation(store, fingerprint(old), fingerprint(new))
    stop = threading.Event()
    workers = [threading.Thread(target=_call, args=(stop, rotation)) for _ in range(_THREADS)]
    workers.append(threading.Thread(target=lambda: asyncio.run(_acalls(stop, rotation))))
    for worker in workers:
        worker.start()
    _until(lambda: rotation.calls >= _CALLS)
    write(new)
    api.revoke_key(old)
    began = time.monotonic()
    if _until(lambda: vectorshift.get_credential().secret.reveal() == new):
        rotation.seconds = time.monotonic() - began
    seen = rotation.calls
    _until(lambda: rotation.calls >= seen + _CALLS)
    stop.set()
    for worker in workers:
        worker.join()
    for name in variables:
        os.environ.pop(name, None)
    return rotation


def _until(reached: Callable[[], bool]) -> bool:
    """Look every millisecond, for a bounded time."""
    give_up = time.monotonic() + _WITHIN
    while time.monotonic() < give_up:
        if reached():
            return True
        time.sleep(0.001)
    return False


def _call(stop: threading.Event, rotation: Rotation) -> None:
    while not stop.is_set():
        with rotation.call():
            Pipeline.list()


async def _acalls(stop: threading.Event, rotation: Rotation) -> None:
    async def one() -> None:
        while not stop.is_set():
            with rotation.call():
                await Pipeline.alist()

    await asyncio.gather(*(one() for _ in range(_TASKS)))
