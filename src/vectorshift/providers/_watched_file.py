"""A key in a file. It is read at most once a second, and is not lost while it is rewritten."""

from __future__ import annotations

import errno
import threading
import time
from typing import TYPE_CHECKING, Final

from vectorshift._platform.clock import SYSTEM_CLOCK, Clock
from vectorshift._platform.files import read_small, reason_of, unexpanded
from vectorshift._platform.forks import renew_after_fork
from vectorshift._platform.permissions import FilePermissions, Stranger
from vectorshift._platform.pipes import PATIENCE, PipeError, is_unread
from vectorshift.credentials.resolving import DEFAULT_REQUEST, LookupRequest
from vectorshift.credentials.values import Credential
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialError,
    CredentialNotFoundError,
    CredentialStoreUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Content", "FilePermissions", "KeyFile", "unreadable"]

_LOOK_EVERY: Final = 1.0
_REWRITE_PAUSE: Final = 0.05

Content = bytes | OSError


class KeyFile:
    """Watches a file and caches the result of its content.

    It is parsed again only when its content has changed. The file's time is not compared, as a
    symlink swap of Kubernetes may not change it. A pipe is read once; its result stays. Thread-safe
    and fork-safe.

    Args:
        path: the file.
        read: a pure function from the bytes, or from the error of reading them, to a result.
        source: the printable place, for messages.
        provider: the name of the provider.
        clock: the source of time.
        pause: waits the 50 ms between two reads of a file that is being rewritten.
        mounted: whether an orchestrator put the file there and chose its mode.
        way_out: what the user can do instead of putting back a key that the file has lost.

    Attributes:
        there: whether the last read found a file, readable or not; None before the first read.
        answered: whether the file ever had a key.
        is_unread_pipe: whether `check_pipe` found a pipe that was not read since.
    """

    def __init__(
        self,
        path: Path,
        read: Callable[[Content], Credential | CredentialError],
        *,
        source: str,
        provider: str,
        clock: Clock = SYSTEM_CLOCK,
        pause: Callable[[float], None] = time.sleep,
        mounted: bool = False,
        way_out: str = "restart without this source",
    ) -> None:
        self.path = path
        self.there: bool | None = None
        self._exposure = FilePermissions(path, mounted=mounted)
        self._read, self._source, self._provider = read, source, provider
        self._way_out = way_out
        self._monotonic, self._pause = clock.monotonic, pause
        # the content is not an attribute: debuggers and serialisers show attributes
        self._parsed: tuple[Callable[[], object], Credential | CredentialError] | None
        self._parsed = None
        self._answer: Credential | CredentialError | None = None
        self.answered = False
        self.is_unread_pipe = False
        self._pipe_within = PATIENCE
        self._next_read = self._last_read = float("-inf")
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self._lock = threading.RLock()  # a signal handler may come here while its thread is in here

    @property
    def detail(self) -> str:
        """A warning about the file's mode or owner, or a note about an unread pipe, or ""."""
        if self.is_unread_pipe:
            return "a named pipe, which the first call that needs it reads once"
        return self._exposure.detail

    def check_pipe(self) -> bool:
        """Return whether the file is a pipe that was not read yet. Does not open it."""
        self.is_unread_pipe = is_unread(self.path)
        return self.is_unread_pipe

    @property
    def stranger(self) -> Stranger | None:
        """The owner of the file at the last read, if neither this user nor root."""
        return self._exposure.stranger

    def get_cached(self) -> Credential | CredentialError | None:
        """Return the result of the last second, or None if it is time to `look`. Does no I/O.

        While one caller reads the file, the others use the previous result.
        """
        return self._answer if self._monotonic() < self._next_read else None

    def forget(self) -> None:
        """Start again, as if the file had never been read."""
        with self._lock:
            self._parsed = self._answer = None
            self.answered = False
            self._next_read = float("-inf")

    def look(
        self, request: LookupRequest = DEFAULT_REQUEST, *, silently: bool = False
    ) -> Credential | CredentialError:
        """Read the file now and return the result. Blocks. Simultaneous callers share one read.

        Args:
            request: its deadline ends the wait for a pipe. A local request gets the result of
                `get_cached`: `vectorshift.api_key` shows the key that calls use.
            silently: whether to skip the warning about the file's mode.
        """
        known = self.get_cached() if request.local else None
        if known is not None:
            return known
        asked, deadline = self._monotonic(), request.deadline
        self._pipe_within = PATIENCE if deadline is None else max(0.0, deadline - asked)
        with self._lock:
            if self._answer is not None and self._last_read > asked:
                return self._answer
            if self._answer is not None:
                self._next_read = asked + _LOOK_EVERY
            content, answer = self._read_now()
            self._answer = answer
            every = 0.0 if isinstance(content, PipeError) else _LOOK_EVERY
            self._next_read = self._monotonic() + every
        if isinstance(answer, Credential) and not silently:
            # without the lock: a log handler may ask for the key
            self._exposure.warn_once()
        return answer

    def _read_now(self) -> tuple[Content, Credential | CredentialError]:
        self._last_read = self._monotonic()
        content, answer = self._read_once()
        if self.answered and not isinstance(answer, Credential):
            self._pause(_REWRITE_PAUSE)
            content, answer = self._read_once()
            if isinstance(answer, CredentialNotFoundError) or _holds_nothing(content):
                answer = self._gone(content)
        self.answered = self.answered or isinstance(answer, Credential)
        self.there = not isinstance(content, FileNotFoundError | NotADirectoryError)
        return content, answer

    def _read_once(self) -> tuple[Content, Credential | CredentialError]:
        content: Content
        try:
            content, status = read_small(self.path, pipe_within=self._pipe_within)
            self.is_unread_pipe = False
            self._exposure.see(status.st_mode, status.st_uid)
        except OSError as error:
            content = error.with_traceback(None)
        except ValueError:  # a NUL in the path
            content = FileNotFoundError(2, "No such file or directory")
        seen = content, self.stranger
        if self._parsed is None or seen != self._parsed[0]():
            self._parsed = (lambda: seen), self._read(content)
        return content, self._parsed[1]

    def _gone(self, content: Content) -> CredentialStoreUnavailableError:
        why = f" ({reason_of(content)})" if isinstance(content, OSError) else ""
        return CredentialStoreUnavailableError(
            f"{self._source} held a key before and has none now{why}. No other source is asked. "
            f"Put the key back, or {self._way_out}.",
            source=self._source,
            provider=self._provider,
        )


def _holds_nothing(content: Content) -> bool:
    """Return whether the file is empty or missing. An unreadable file may still hold its key."""
    if isinstance(content, OSError):
        return isinstance(content, FileNotFoundError | NotADirectoryError)
    return not content.strip()


_LASTING: Final = "ENOENT EACCES EPERM EISDIR ENOTDIR EINVAL EFBIG ENAMETOOLONG ELOOP"
"""The errors that last until somebody fixes the cause."""


def unreadable(
    error: OSError,
    name: str = "",
    *,
    source: str,
    provider: str,
    fix: str = "Name a file that this process may read.",
) -> CredentialError:
    """Return the error for a file that should hold a key, but cannot be read.

    Args:
        error: the error of the system.
        name: the name of the file as the user wrote it.
        source: the printable place.
        provider: the name of the provider.
        fix: the advice, unless the name itself is wrong.
    """
    why = reason_of(error)
    if isinstance(error, FileNotFoundError):
        fix = unexpanded(name) or fix
    if errno.errorcode.get(error.errno or 0, "") in _LASTING.split():
        return CredentialConfigurationError(
            f"{source} cannot be read: {why}. {fix}", source=source, provider=provider
        )
    return CredentialStoreUnavailableError(
        f"{source} cannot be read: {why}.", source=source, provider=provider
    )
