"""A key that lives in a file: looked at once a second at most, and never mistaken for absent while it is rewritten."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from typing import TYPE_CHECKING, Final

from vectorshift.clock import SYSTEM_CLOCK, Clock
from vectorshift.credentials import Credential
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialError,
    CredentialNotFoundError,
    CredentialStoreUnavailableError,
)
from vectorshift.forks import renew_after_fork

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["KeyFile"]

_LOOK_EVERY: Final = 1.0
_REWRITE_PAUSE: Final = 0.05

Content = bytes | OSError


class KeyFile:
    """Watch a file and keep what `read` makes of its content.

    The content is read again, and not only the file's time, as Kubernetes' symlink swap may leave the time as it
    was. It is parsed again only when it has changed. Thread-safe and fork-safe.

    Args:
        path: the file.
        read: a pure function from the bytes, or from the error of reading them, to an answer.
        source: the printable place, for messages.
        provider: the name of the provider.
        clock: the source of time.
        pause: waits the 50 ms between two looks at a file that is being rewritten.
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
    ) -> None:
        self.path = path
        self._read, self._source, self._provider = read, source, provider
        self._monotonic, self._pause = clock.monotonic, pause
        self._parsed: tuple[Content, Credential | CredentialError] | None = None
        self._answer: Credential | CredentialError | None = None
        self._answered = False
        self._look_at = self._looked = float("-inf")
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()

    def peek(self) -> Credential | CredentialError | None:
        """Return what was seen within the last second, or None: it is time for `look`. Does no I/O.

        One caller at a time is sent to look; the others go on with what was seen before.
        """
        now = self._monotonic()
        if now < self._look_at:
            return self._answer
        if self._answer is not None:
            self._look_at = now + _LOOK_EVERY
        return None

    def look(self) -> Credential | CredentialError:
        """Read the file now and return what it holds. Blocks. Callers who come together share a reading."""
        asked = self._monotonic()
        with self._lock:
            if self._answer is not None and self._looked > asked:
                return self._answer
            self._looked = self._monotonic()
            content, answer = self._once()
            if self._answered and not isinstance(answer, Credential):
                self._pause(_REWRITE_PAUSE)
                content, answer = self._once()
                if isinstance(answer, CredentialNotFoundError) or _is_nothing(content):
                    answer = self._gone(content)
            self._answered = self._answered or isinstance(answer, Credential)
            self._answer = answer
            self._look_at = self._monotonic() + _LOOK_EVERY
            return answer

    def _once(self) -> tuple[Content, Credential | CredentialError]:
        content: Content
        try:
            content = _read_small(self.path)
        except OSError as error:
            content = error.with_traceback(None)
        except ValueError:  # a NUL in the path
            content = FileNotFoundError(2, "No such file or directory")
        if self._parsed is None or content != self._parsed[0]:
            self._parsed = content, self._read(content)
        return self._parsed

    def _gone(self, content: Content) -> CredentialStoreUnavailableError:
        why = f" ({_why(content)})" if isinstance(content, OSError) else ""
        return CredentialStoreUnavailableError(
            f"{self._source} held a key before, and holds none now{why}. No other source is asked in its place. "
            "Put the key back, or restart without this source.",
            source=self._source,
            provider=self._provider,
        )


def _is_nothing(content: Content) -> bool:
    return isinstance(content, OSError) or not content.strip()


_LARGEST = 1 << 20
_WRONG_FILE = (
    errno.ENOENT,
    errno.EACCES,
    errno.EPERM,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.EINVAL,
    errno.EFBIG,
    errno.ENAMETOOLONG,
    errno.ELOOP,
)


def _why(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def _read_small(path: Path) -> bytes:
    """Read a plain file. A pipe could be read once, or would block for ever; a device might never end."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "is a directory")
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a plain file, which could be read again")
        content = b""
        while len(content) <= _LARGEST and (more := os.read(descriptor, _LARGEST)):
            content += more
    finally:
        os.close(descriptor)
    if len(content) > _LARGEST:
        raise OSError(errno.EFBIG, "too large for a file with a key")
    return content


def unreadable(error: OSError, *, source: str, provider: str) -> CredentialError:
    """Return what it means that a file which should hold a key cannot be read."""
    why = _why(error)
    if error.errno in _WRONG_FILE:
        return CredentialConfigurationError(
            f"{source} cannot be read: {why}. Name a file that this process may read.",
            source=source,
            provider=provider,
        )
    return CredentialStoreUnavailableError(f"{source} cannot be read: {why}.", source=source, provider=provider)
