"""A key that lives in a file: looked at once a second at most, and never mistaken for absent while
it is rewritten.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
import threading
import time
from typing import TYPE_CHECKING, Final

from vectorshift._platform.clock import SYSTEM_CLOCK, Clock
from vectorshift._platform.files import read_small
from vectorshift._platform.forks import renew_after_fork
from vectorshift.credentials.events import log_safely
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
    """Watch a file and keep what `read` makes of its content.

    The content is read again, and not only the file's time, as Kubernetes' symlink swap may leave
    the time as it was. It is parsed again only when it has changed. Thread-safe and fork-safe.

    Args:
        path: the file.
        read: a pure function from the bytes, or from the error of reading them, to an answer.
        source: the printable place, for messages.
        provider: the name of the provider.
        clock: the source of time.
        pause: waits the 50 ms between two looks at a file that is being rewritten.
        mounted: whether an orchestrator put the file there, so that its mode is not the user's
            affair.

    Attributes:
        there: whether the last look found a file, readable or not; None before the first look.
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
    ) -> None:
        self.path = path
        self.there: bool | None = None
        self._exposure = FilePermissions(path, mounted=mounted)
        self._read, self._source, self._provider = read, source, provider
        self._monotonic, self._pause = clock.monotonic, pause
        self._parsed: tuple[Content, Credential | CredentialError] | None = None
        self._answer: Credential | CredentialError | None = None
        self._answered = False
        self._look_at = self._looked = float("-inf")
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self._lock = threading.RLock()  # a signal handler may come here while its thread is in here

    @property
    def detail(self) -> str:
        """What others can do to the file, as the last look saw it; mostly nothing."""
        return self._exposure.detail

    def get_cached(self) -> Credential | CredentialError | None:
        """Return what was seen within the last second, or None: it is time for `look`. Does no I/O.

        It may be asked any number of times before the look. Once one caller looks, the others go on
        with what was seen before.
        """
        return self._answer if self._monotonic() < self._look_at else None

    def look(self) -> Credential | CredentialError:
        """Read the file now and return what it holds. Blocks. Callers who come together share a
        reading.
        """
        asked = self._monotonic()
        with self._lock:
            if self._answer is not None and self._looked > asked:
                return self._answer
            if self._answer is not None:
                self._look_at = asked + _LOOK_EVERY
            answer = self._answer = self._looked_at()
            self._look_at = self._monotonic() + _LOOK_EVERY
        if isinstance(answer, Credential):
            # with no lock held: a handler of log lines may ask for the key
            self._exposure.warn_once()
        return answer

    def _looked_at(self) -> Credential | CredentialError:
        self._looked = self._monotonic()
        content, answer = self._once()
        if self._answered and not isinstance(answer, Credential):
            self._pause(_REWRITE_PAUSE)
            content, answer = self._once()
            if isinstance(answer, CredentialNotFoundError) or _holds_nothing(content):
                answer = self._gone(content)
        self._answered = self._answered or isinstance(answer, Credential)
        self.there = not isinstance(content, FileNotFoundError | NotADirectoryError)
        return answer

    def _once(self) -> tuple[Content, Credential | CredentialError]:
        content: Content
        try:
            content, mode = read_small(self.path)
            self._exposure.see(mode)
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
            f"{self._source} held a key before, and holds none now{why}. No other source is asked"
            " in its place. Put the key back, or restart without this source.",
            source=self._source,
            provider=self._provider,
        )


def _holds_nothing(content: Content) -> bool:
    """Whether the file is empty or gone; one that only cannot be read just then may hold its key as
    before.
    """
    return (
        isinstance(content, FileNotFoundError | NotADirectoryError)
        if isinstance(content, OSError)
        else not content.strip()
    )


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


def unreadable(
    error: OSError,
    *,
    source: str,
    provider: str,
    fix: str = "Name a file that this process may read.",
) -> CredentialError:
    """Return what it means that a file which should hold a key cannot be read."""
    why = _why(error)
    if error.errno in _WRONG_FILE:
        return CredentialConfigurationError(
            f"{source} cannot be read: {why}. {fix}",
            source=source,
            provider=provider,
        )
    return CredentialStoreUnavailableError(
        f"{source} cannot be read: {why}.", source=source, provider=provider
    )


_MOUNTS: Final = ("/run/secrets/", "/var/run/secrets/", "/run/credentials/")
_POSIX: Final = os.name == "posix"  # Windows reports 0666 for every file

_warned: set[str] = set()


class FilePermissions:
    """Keep what the mode of one file lets others do. Looks at the file's folder when the mode is a
    new one.

    Others are all users of the machine: a group was given its rights on purpose. What an
    orchestrator mounts is passed over, as its modes are not the user's to choose: Kubernetes,
    `/run/secrets`, systemd's credentials.

    Args:
        path: the file.
        mounted: whether an orchestrator is known to have put it there.
    """

    def __init__(self, path: Path, *, mounted: bool = False) -> None:
        self._path = path
        self._mounted = mounted or str(path).startswith(_MOUNTS)
        self._mode: int = 0
        self.detail = ""

    def see(self, mode: int) -> None:
        """Take note of the mode as it is now."""
        if mode == self._mode or self._mounted or not _POSIX:
            return
        self._mode = mode
        others = [
            word for bit, word in ((stat.S_IROTH, "read"), (stat.S_IWOTH, "write")) if mode & bit
        ]
        if others and _is_kubernetes(self._path):
            others = []
        self.detail = (
            f"others can {' and '.join(others)} it (mode {stat.S_IMODE(mode):04o})"
            if others
            else ""
        )

    def warn_once(self) -> None:
        """Log a warning if others can write the file: once a process and file."""
        path = str(self._path)
        if "write" not in self.detail or path in _warned:
            return
        _warned.add(path)
        from shlex import quote

        log_safely(
            logging.WARNING,
            "%s: %s, and so every user of this machine can say which key is used. Run: chmod"
            " o-w %s",
            path,
            self.detail,
            quote(path),
        )


def _is_kubernetes(path: Path) -> bool:
    """Whether the file stands in a volume that the kubelet writes: its folder has a link named
    `..data`.
    """
    return os.path.islink(path.parent / "..data")  # noqa: PTH114  # it does not raise
