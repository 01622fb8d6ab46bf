"""Profiles: keys that `vectorshift auth login` stored in a keyring of the system or in a file.

`~/.vectorshift/credentials.toml` lists the profiles and the API of each key. It holds the key
itself only if the user chose the file. `LoginProvider` reads profiles; only the command line writes
them. All functions may block: a keyring may wait until somebody unlocks it.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from vectorshift._platform.files import read_small, reason_of, sync_folder, text_of
from vectorshift._platform.importing import load
from vectorshift._platform.plugin_names import profile_flaw
from vectorshift._platform.urls import api_url, origin
from vectorshift.credentials.guard import unwrap
from vectorshift.credentials.values import Secret, parse_key
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialError,
    CredentialStoreUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

__all__ = [
    "DEFAULT",
    "FILE",
    "Profile",
    "check_keyring",
    "clear_keyring",
    "delete_profile",
    "is_stored",
    "parse_toml",
    "read_profile",
    "stored_profiles",
    "write_profile",
]

T = TypeVar("T")

DEFAULT: Final = "default"
"""The profile of a login without a name."""
FILE: Final = "~/.vectorshift/credentials.toml"

_HEAD: Final = "# Profiles of VectorShift, written by `vectorshift auth login`.\n"
_POSIX: Final = os.name == "posix"  # Windows has neither these modes nor these owners
_MOST_DOTS: Final = 64
"""The most dots in a line: parsing a dotted key takes more than quadratic time."""
_TOML: Final = "tomllib" if sys.version_info >= (3, 11) else "tomli"

_KEYRINGS: Final = {
    "darwin": {"Keychain": ("macOS", "Keyring")},
    "win32": {"Credential Manager": ("Windows", "WinVaultKeyring")},
}
_SERVICE: Final = "vectorshift:"
"""The service name of a key in a keyring, before its API: keys of two APIs cannot be mixed up."""
_OF_LINUX: Final = {
    "Secret Service": ("SecretService", "Keyring"),
    "KWallet": ("kwallet", "DBusKeyring"),
}
"""The modules and classes of the `keyring` library to use. Its own choice may be a plug-in that
stores plain text, or nothing at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The name of a key, and where it is stored.

    Args:
        name: the name that the user gave it.
        origin: scheme, host and port of the API that the key is for.
        keyring: the keyring that has the key, or None if the file has it.
    """

    name: str
    origin: str
    keyring: str | None

    @property
    def place(self) -> str:
        """The keyring or the file, for a person."""
        return self.keyring or FILE


def stored_profiles() -> dict[str, Profile]:
    """Return the profiles by name. Opens no keyring.

    Raises:
        CredentialError: the file is malformed, or belongs to somebody else.
    """
    return {name: _profile(name, fields) for name, fields in _entries().items()}


def is_stored(name: str) -> bool:
    """Return whether this profile exists. True if the file cannot be parsed, as it may."""
    try:
        return os.path.expanduser(FILE) != FILE and name in _entries()  # noqa: PTH111
    except CredentialError:
        return True


def check_keyring(name: str) -> None:
    """Raise if no keyring can store the key of this profile.

    Raises:
        CredentialConfigurationError: there is no keyring. The message says how to use the file.
    """
    _keyring(name)


def read_profile(name: str) -> tuple[Profile, Secret]:
    """Return a profile and its key.

    Raises:
        CredentialConfigurationError: there is no such profile, its keyring is missing or has no
            key, or the file is malformed.
        CredentialStoreUnavailableError: the keyring is locked, or failed.
    """
    entries, again = _entries(), f"vectorshift auth login --profile {name}"
    if name not in entries:
        known = f"It has: {', '.join(entries)}. " if entries else ""
        raise _wrong(name, f"{FILE} has no such profile. {known}Store one: {again}")
    profile, text = _profile(name, entries[name]), entries[name].get("api_key")
    if profile.keyring is not None:
        text = _keyring(name, profile.keyring).get(profile.origin)
        if text is None:
            raise _wrong(name, f"{profile.keyring} has no key for it. Store one: {again}")
    plain = text or Secret("")
    return profile, unwrap(parse_key(plain.reveal(), source=f"login:{name}", provider="login"))


def write_profile(name: str, key: Secret, *, origin: str, in_file: bool) -> Profile:
    """Store a key, and read it back. `clear_keyring` removes an old key from a keyring.

    If the process is killed meanwhile, the profile has the old key or the new one.

    Args:
        name: the name of the profile.
        origin: scheme, host and port of the API that the key is for.
        in_file: whether to store the key in the file, not in a keyring.

    Raises:
        CredentialConfigurationError: no keyring can be used, or the file cannot be written.
        CredentialStoreUnavailableError: the keyring is locked, failed, or did not keep the key.
    """
    with _locked():
        entries = _entries()
        fields = {"origin": Secret(origin), "api_key": key}
        if not in_file:
            keyring = _keyring(name)
            keyring.put(origin, key)
            if keyring.get(origin) != key:
                raise _failed(name, f"{keyring.label} did not keep the key.")
            fields = {"origin": Secret(origin), "keyring": Secret(keyring.label)}
        profile = _profile(name, fields)
        _save({**entries, name: fields})
        if _entries().get(name) != fields:
            raise _failed(name, f"{FILE} did not keep the profile.")
    return profile


def clear_keyring(profile: Profile) -> None:
    """Remove the key of an old profile from its keyring, unless the profile is still current.

    Raises:
        CredentialError: the keyring is locked, missing, or failed.
    """
    with _locked():
        if profile.keyring and stored_profiles().get(profile.name) != profile:
            _keyring(profile.name, profile.keyring).remove(profile.origin)


def delete_profile(name: str, *, origin: str) -> list[str]:
    """Remove a key from the file and from the keyring; return where it was.

    Args:
        name: that of the profile.
        origin: the API, for a key in a keyring that the file does not mention.

    Raises:
        CredentialError: the keyring that has the key cannot be opened, or the file is malformed.
    """
    places: set[str] = set()
    with _locked():
        entries = _entries()
        profile = _profile(name, entries.pop(name)) if name in entries else None
        label = None if profile is None else profile.keyring
        if profile is not None and label is None:
            _save(entries)  # first: the file holds plain text, and a keyring may hang
            places.add(FILE)
        try:
            keyring = _keyring(name, label)
            if keyring.remove(profile.origin if profile else origin):
                places.add(keyring.label)
        except CredentialError:
            if label is not None:
                raise
        if label is not None:
            _save(entries)
            places.add(label)
    return sorted(places)


# --- The file ---

_Fields = dict[str, Secret]
"""The fields of a profile. All are redacted, because one of them is the key."""


def _file() -> Path:
    path = os.path.expanduser(FILE)  # noqa: PTH111  # pathlib would raise
    if path == FILE:
        raise _wrong_file("HOME is not set, and this user has no home directory.")
    return Path(path)


def _entries() -> dict[str, _Fields]:
    """Return the fields of each profile in the file."""
    path = _file()
    try:
        for each in (path.parent, path):
            _check(each, each.lstat())
        content, status = read_small(path)
        _check(path, status)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise _wrong_file(f"{FILE} cannot be read: {reason_of(error)}.") from None
    found = _profiles_in(text_of(content))
    del content  # a traceback may show locals
    if isinstance(found, str):
        raise _wrong_file(f"{FILE} {found}. Fix it, or remove it and log in again.")
    return found


def _profiles_in(text: str | None) -> dict[str, _Fields] | str:
    """Return the fields of each profile, or what is wrong with the text."""
    document = " in UTF-8" if text is None else parse_toml(text)
    if isinstance(document, str):
        return f"is not TOML{document}"
    entries: dict[str, _Fields] = {}
    for name, fields in document.items():
        given = cast("dict[str, object]", fields) if isinstance(fields, dict) else {}
        entries[name] = {key: Secret(each) for key, each in given.items() if isinstance(each, str)}
        if entries[name].keys() != given.keys() or not _is_profile(name, entries[name]):
            return "has a table that is not a profile"
    return entries


def _is_profile(name: str, fields: _Fields) -> bool:
    """Return whether this is the name of a profile, with the API of its key."""
    try:
        api = fields["origin"].reveal()
        return not profile_flaw(name) and origin(api_url(api)) == api
    except (KeyError, ValueError):
        return False


def _check(path: Path, status: os.stat_result) -> None:
    """Raise if a file or its folder is a link, or if somebody else may have written it."""
    if stat.S_ISLNK(status.st_mode):
        raise _wrong_file(f"{path} is a symbolic link. Replace it with the real one.")
    if not _POSIX:
        return
    if status.st_uid != os.geteuid():
        raise _wrong_file(f"{path} belongs to another user (uid {status.st_uid}).")
    mode = stat.S_IMODE(status.st_mode)
    most, right = (0o755, "700") if stat.S_ISDIR(status.st_mode) else (0o700, "600")
    if mode & ~most & 0o777:
        cure = f"chmod {right} {quote(str(path))}"
        raise _wrong_file(f"{path} is open to other users (mode {mode:04o}). Run: {cure}")


@contextmanager
def _locked() -> Generator[None, None, None]:
    """Lock the file against other logins. Create its folder if needed."""
    folder = _file().parent
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        _check(folder, folder.lstat())
        folder.chmod(0o700)
        if not _POSIX:
            yield
            return
        fcntl, number = cast("Any", load("fcntl")), os.open(folder, os.O_RDONLY)
        try:
            with suppress(OSError):  # some network file systems cannot lock
                fcntl.flock(number, fcntl.LOCK_EX)
            yield
        finally:
            os.close(number)
    except OSError as error:
        raise _wrong_file(f"{FILE} cannot be written: {reason_of(error)}.") from None


def _save(entries: Mapping[str, _Fields]) -> None:
    path = _file()
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(new, flags, 0o600), "w", encoding="utf-8") as file:
        file.write(_HEAD)
        for name, fields in entries.items():
            file.write(f"\n[{name}]\n")
            for key, value in fields.items():
                bare = key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _quoted(key)
                file.write(f"{bare} = {_quoted(value.reveal())}\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    sync_folder(path.parent)


def _quoted(text: str) -> str:
    # a JSON string is a TOML string, except for this character
    return json.dumps(text, ensure_ascii=False).replace("\x7f", r"\u007f")


def _profile(name: str, fields: Mapping[str, Secret]) -> Profile:
    keyring = fields.get("keyring")
    return Profile(
        name=name,
        origin=fields["origin"].reveal(),
        keyring=None if keyring is None else keyring.reveal(),
    )


def parse_toml(text: str) -> dict[str, Any] | str:
    """Return the document, or the line of the error: the parser's own text may quote the key."""
    if max(line.count(".") for line in text.split("\n")) > _MOST_DOTS:
        return " that can be read: one of its lines has too many dots"
    try:
        document: dict[str, Any] = cast("Any", load(_TOML)).loads(text)
    except RecursionError:
        return " that can be read, as it is nested too deeply"
    except ValueError as error:
        line = re.search(r"\(at line (\d+)", str(error))
        return f" (line {line[1]})" if line else ""
    return document


# --- The keyring ---


class _Keyring:
    """A usable keyring of the system, for one profile."""

    def __init__(self, profile: str, label: str, backend: Any) -> None:
        self.label, self._profile, self._backend = label, profile, backend

    def get(self, origin: str) -> Secret | None:
        """Return what is stored for this API, or None."""
        found = self._do(lambda: self._backend.get_password(_SERVICE + origin, self._profile))
        return None if found is None else Secret(found)

    def put(self, origin: str, key: Secret) -> None:
        """Store a key for this API."""
        self._do(lambda: self._backend.set_password(_SERVICE + origin, self._profile, key.reveal()))

    def remove(self, origin: str) -> bool:
        """Remove what is stored for this API; return whether there was something."""
        there = self.get(origin) is not None
        if there:
            self._do(lambda: self._backend.delete_password(_SERVICE + origin, self._profile))
        return there

    def _do(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except Exception as error:  # an error of the libraries below may hold the key
            kind = type(error).__name__
        if kind in ("KeyringLocked", "PromptDismissedException", "LockedException"):
            why = f"{self.label} is locked. Unlock it and try again."
        else:
            why = f"{self.label} failed ({kind})."
        raise _failed(self._profile, why)


def _keyring(profile: str, label: str | None = None) -> _Keyring:
    """Return the keyring with this label, else the best one of the system."""
    there: dict[str, Any] = {}
    reasons: list[str] = []
    for each, (module, cls) in _KEYRINGS.get(sys.platform, _OF_LINUX).items():
        try:
            backend: Any = getattr(load(f"keyring.backends.{module}"), cls)
            priority = backend.priority
        except ModuleNotFoundError as error:
            if error.name != "keyring":
                raise
            why = "the library keyring is not installed: pip install 'vectorshift[login]>=2'"
            raise _wrong(profile, f"{why}. {_or_file(profile)}") from None
        except Exception as error:
            reasons.append(f"{each}: {str(error).strip()[:120]}")
        else:
            there[each] = (priority, backend)
    best = label or max(there, key=lambda each: there[each][0], default="")
    if best not in there:
        what = f"{label} cannot be used here" if label else "no keyring can be used here"
        why = f" ({'; '.join(reasons)})" if reasons else ""
        raise _wrong(profile, f"{what}{why}. {_or_file(profile)}")
    return _Keyring(profile, best, there[best][1]())


def _or_file(profile: str) -> str:
    return f"To keep the key in {FILE}: vectorshift auth login --profile {profile} --file"


# --- What is wrong ---


def _wrong(name: str, why: str) -> CredentialConfigurationError:
    return CredentialConfigurationError(f"login:{name}: {why}", f"login:{name}", "login")


def _failed(name: str, why: str) -> CredentialStoreUnavailableError:
    return CredentialStoreUnavailableError(f"login:{name}: {why}", f"login:{name}", "login")


def _wrong_file(text: str) -> CredentialConfigurationError:
    return CredentialConfigurationError(text, FILE, "login")
