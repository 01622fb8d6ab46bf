"""Write a key to a file: a key file, or the dotenv file that `VECTORSHIFT_ENV_FILE` names.

A file is replaced atomically: at each moment it has the old content or the new one.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import stat
import sys
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final

from vectorshift._platform.dotenv_syntax import assignments_in
from vectorshift._platform.files import absolute, read_small, reason_of, sync_folder
from vectorshift.credentials.guard import unwrap
from vectorshift.credentials.values import Credential, Secret, parse_key
from vectorshift.rotation.target import RotationError, RotationTarget

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from vectorshift.settings import Settings

__all__ = ["DotenvTarget", "KeyFileTarget", "read_to_replace", "replace_file", "with_value"]

_MOUNTED: Final = (errno.EBUSY, errno.EROFS)
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_VARIABLE: Final = "VECTORSHIFT_API_KEY"
_ASSIGNMENT: Final = re.compile(
    rf"(?P<name>\s*(?:export[^\S\r\n]+)?'?{_VARIABLE}'?[^\S\r\n]*=[^\S\r\n]*)"
    r"(?P<value>'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|[^\r\n]*?)"
    r"(?P<behind>(?:\s+\#[^\r\n]*)?[^\S\r\n]*(?:\r\n|\n|\r)?)",
    re.DOTALL,
)


class _FileTarget(RotationTarget):
    """A file with a key. A subclass finds the key in its text, and changes it there.

    Args:
        path: the path of the file, as the user names it.
    """

    provider: ClassVar[str]

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = absolute(path)
        self.source = f"{self.name}:{self._path}"
        self._content = Secret("")

    def read(self) -> Credential:
        """Read the file."""
        content = read_to_replace(self._path)
        found = Secret(self._found(content.reveal().removeprefix("\ufeff")))
        key = unwrap(parse_key(found.reveal(), source=self.source, provider=self.provider))
        self._content = content
        return Credential(secret=key, source=self.source, provider=self.provider)

    def write(self, key: Secret) -> None:
        """Replace the file. Only the key in it changes."""
        replace_file(self._path, self._changed(key), expected=self._content)

    @abstractmethod
    def _found(self, text: str) -> str:
        """Return the key in the text of the file."""

    @abstractmethod
    def _changed(self, key: Secret) -> Secret:
        """Return the content that was read, with another key in it."""


class KeyFileTarget(_FileTarget):
    """A file that holds only the key. White space around it stays.

    Args:
        settings: the settings that name the file.
    """

    name, provider = "file", "env"

    def __init__(self, settings: Settings) -> None:
        if settings.api_key_file is None:
            raise RotationError(
                "VECTORSHIFT_API_KEY_FILE is not set: there is no key file to write. To change a "
                "systemd credential, change the file that LoadCredential= names."
            )
        super().__init__(settings.api_key_file)

    def _found(self, text: str) -> str:
        return text

    def _changed(self, key: Secret) -> Secret:
        text = self._content.reveal()
        return Secret(text.replace(text.removeprefix("\ufeff").strip(), key.reveal(), 1))


class DotenvTarget(_FileTarget):
    """The line of the key in a dotenv file that the user named.

    Args:
        settings: the settings that name the file.
    """

    name = provider = "dotenv"

    def __init__(self, settings: Settings) -> None:
        if not settings.env_file:
            raise RotationError(
                "VECTORSHIFT_ENV_FILE is not set. A .env that is only found is not written to. "
                "Name the file: VECTORSHIFT_ENV_FILE=./.env"
            )
        super().__init__(settings.env_file)

    def _found(self, text: str) -> str:
        found = assignments_in(text)
        if flaw := found.contradiction([_VARIABLE]) or found.flaw:
            raise RotationError(f"{self.source}: {flaw}")
        return found.values.get(_VARIABLE, "")

    def _changed(self, key: Secret) -> Secret:
        changed = with_value(self._content, key)
        if changed is None:
            raise RotationError(
                f"{self.source}: the line of {_VARIABLE} cannot be changed safely. Write it as "
                f"{_VARIABLE}=... and run this again."
            )
        return changed


def with_value(content: Secret, key: Secret) -> Secret | None:
    """Return the content with the key replaced in each line that sets it, and nothing else changed;
    None if that is impossible.
    """
    from dotenv.parser import parse_stream

    text = content.reveal().removeprefix("\ufeff")
    start = content.reveal().removesuffix(text)
    written = [
        _with_key(each.original.string, key) if each.key == _VARIABLE else each.original.string
        for each in parse_stream(io.StringIO(text, newline=""))
    ]
    changed = "".join(written)
    wanted = {**assignments_in(text).values, _VARIABLE: key.reveal()}
    return Secret(start + changed) if assignments_in(changed).values == wanted else None


def _with_key(line: str, key: Secret) -> str:
    found = _ASSIGNMENT.fullmatch(line)
    if found is None:
        return line
    value, plain = found["value"], key.reveal()
    quote = value[:1] if value[:1] in ("'", '"') else ""
    if not quote and re.search(r"[\"'`$\\#]", plain):
        quote = "'"
    if quote:
        plain = re.sub(rf"[\\{quote}]", lambda special: "\\" + special[0], plain)
    return f"{found['name']}{quote}{plain}{quote}{found['behind']}"


# --- Replacing a file ---


def _why_not(path: Path) -> str:
    """Return why a file must not be replaced, and what to do; an empty text if it may."""
    if not os.path.islink(path):  # noqa: PTH114  # it does not raise
        return ""
    if os.path.islink(path.parent / "..data"):  # noqa: PTH114
        return (
            "it is a Kubernetes link to a mounted Secret. Change the Secret: kubectl create "
            "secret generic NAME --from-file=... --dry-run=client -o yaml | kubectl apply -f -"
        )
    return f"it is a link to {path.resolve()}. Name that file itself."


def read_to_replace(path: Path) -> Secret:
    """Return the text of a plain file.

    Raises:
        RotationError: it is a link, is not UTF-8 text, or cannot be read.
    """
    flaw, content = _why_not(path), Secret("")
    try:
        if not flaw:
            content = Secret(read_small(path)[0].decode())
    except UnicodeDecodeError:
        flaw = "it is not UTF-8 text."
    except (OSError, ValueError) as error:
        flaw = f"it cannot be read: {getattr(error, 'strerror', None) or 'it has no such name'}."
    if flaw:
        raise RotationError(f"{path}: {flaw}")
    return content


def replace_file(path: Path, content: Secret, *, expected: Secret) -> None:
    """Replace the content that was read by new content.

    A file beside it first gets the mode and the owner, then the content, then the name of the
    original. It always begins with the same name: two rotations cannot write at once, and the next
    rotation removes the file of one that was killed.

    Raises:
        RotationError: somebody else wrote meanwhile, or the system refuses. The file is unchanged.
    """
    beside = path.with_name(f".{path.name}.vectorshift-rotate")
    try:
        with _created(beside) as descriptor:
            _take_over(descriptor, path.stat())
            with open(descriptor, "wb", closefd=False) as file:
                file.write(content.reveal().encode())
            os.fsync(descriptor)
            if read_to_replace(path) != expected:
                raise RotationError(
                    f"{path}: somebody else changed it meanwhile. Look at what is there now, and"
                    " run this again."
                )
            beside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        why = reason_of(error)
        hint = " If docker mounts it, change it on the host." if error.errno in _MOUNTED else ""
        raise RotationError(
            f"{path} was not changed: a file beside it cannot be written or replace it: "
            f"{why}.{hint}"
        ) from None


@contextlib.contextmanager
def _created(beside: Path) -> Generator[int, None, None]:
    """Create and lock a file; remove it if the block raises."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | _NO_FOLLOW | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(beside, flags, 0o600)
    except FileExistsError:
        _remove_left_over(beside)
        descriptor = os.open(beside, flags, 0o600)
    try:
        # another rotation may have removed it before it was locked
        if not _lock(descriptor) or not os.fstat(descriptor).st_nlink:
            raise RotationError(f"{beside}: another rotation of this file is running.")
        try:
            yield descriptor
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                beside.unlink()
            raise
    finally:
        os.close(descriptor)


def _remove_left_over(beside: Path) -> None:
    """Remove the file of a rotation that was killed; raise if that still runs."""
    descriptor = os.open(beside, os.O_RDWR | _NO_FOLLOW)
    try:
        if not _lock(descriptor):
            raise RotationError(f"{beside}: another rotation of this file is running.")
        beside.unlink()
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock the file; return whether that worked. The lock ends with the process."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _take_over(descriptor: int, status: os.stat_result) -> None:
    if sys.platform == "win32":
        return
    own = os.fstat(descriptor)
    if (own.st_uid, own.st_gid) != (status.st_uid, status.st_gid):
        os.fchown(descriptor, status.st_uid, status.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
