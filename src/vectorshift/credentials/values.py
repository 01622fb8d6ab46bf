"""`Secret` and `Credential`: they can be passed, logged and compared without showing a key."""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Final, Literal, TypeVar, cast

from vectorshift.credentials.references import oddity, unresolved
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialError,
    CredentialNotFoundError,
)

__all__ = [
    "LONGEST_KEY",
    "Credential",
    "Secret",
    "Unusable",
    "fingerprint",
    "kind_of",
    "looks_odd",
    "masked",
    "parse_key",
    "same_source",
]

LONGEST_KEY: Final = 8192
T = TypeVar("T")


def fingerprint(text: str) -> str:
    """Return `#` and the first 8 hex digits of a key's SHA-256: they name it without showing it."""
    return "#" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def masked(value: T, *kinds: type) -> T:
    """Return a text as a `Secret`, a value that is of no use as `Unusable`, others as they are.

    It is the first line of each entry point that takes a key: a traceback may show locals.

    Args:
        value: the argument.
        kinds: the types that are of use beside a key and a callable; without any, all are.
    """
    if isinstance(value, str):
        return cast("T", Secret(value))
    is_useful = not kinds or callable(value) or isinstance(value, (Secret, Unusable, *kinds))
    return value if is_useful else cast("T", Unusable(value))


class Unusable:
    """Stands for an argument of a wrong type. It may hold a key, as bytes do.

    Args:
        value: the argument, which is not kept.
    """

    def __init__(self, value: object) -> None:
        self.kind = type(value).__name__


def kind_of(value: object) -> str:
    """Return the name of an argument's type, also where it was replaced."""
    return value.kind if isinstance(value, Unusable) else type(value).__name__


class Secret:
    """A string that redacts itself in `str`, `repr`, `format`, logs and pickles. Immutable and
    hashable.

    A pickle has only the fingerprint: the unpickled secret prints the same and cannot be revealed.

    Args:
        text: the text to keep.

    Raises:
        TypeError: `text` is not a string.
    """

    __slots__ = ("_fingerprint", "_read")

    _read: Callable[[], str] | None
    """Returns the text. It is not an attribute: serialisers and debuggers show attributes."""
    _fingerprint: str | None

    def __init__(self, text: str) -> None:
        given: object = text
        if not isinstance(given, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            kind = type(given).__name__
            del text, given  # perhaps a key as bytes: a traceback may show locals
            self._read, self._fingerprint = None, "#none"
            raise TypeError(f"Secret takes a str, not {kind}.")
        self._read = lambda: text
        self._fingerprint = None

    def reveal(self) -> str:
        """Return the text.

        Raises:
            CredentialConfigurationError: this secret was unpickled: a pickle never holds the text.
        """
        if self._read is None:
            raise CredentialConfigurationError(
                f"The secret {self} was pickled, which leaves out its text. Ask a provider in "
                "this process for the key."
            )
        return self._read()

    @property
    def fingerprint(self) -> str:
        """The printable name of this secret, such as `#1a2b3c4d`."""
        if self._fingerprint is None:
            self._fingerprint = fingerprint(self.reveal())
        return self._fingerprint

    def __str__(self) -> str:
        return self.fingerprint

    def __repr__(self) -> str:
        return f"Secret({self.fingerprint})"

    def __format__(self, spec: str) -> str:
        return format(self.fingerprint, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        if self._read is None or other._read is None:
            return self is other
        mine, theirs = (
            read().encode("utf-8", "surrogatepass") for read in (self._read, other._read)
        )
        return hmac.compare_digest(mine, theirs)

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Secret._without_text, (self.fingerprint,)

    @classmethod
    def _without_text(cls, fingerprint: str) -> "Secret":
        secret = cls("")
        secret._read, secret._fingerprint = None, fingerprint
        return secret


@dataclass(frozen=True, slots=True, repr=False, init=False)
class Credential:
    """A key, and where it came from. Immutable; safe to share, log and pickle.

    Args:
        secret: the key; a plain string is wrapped.
        source: the printable place without the version, such as `vault:secret/vectorshift#api_key`.
        provider: the name of the provider that found it.
        version: the store's own name for this version, or None.
        obtained_at: aware UTC time at which it was found; now by default.
        expires_at: aware UTC time after which it must not be used, or None.
        origin: the only API that the key may be sent to, such as `https://api.vectorshift.ai`, or
            None.

    Raises:
        CredentialConfigurationError: `secret` is not a text, a time is not an aware datetime, or
            `origin` is not a URL.
    """

    secret: Secret
    source: str
    provider: str
    version: str | None
    obtained_at: datetime = field(compare=False)
    expires_at: datetime | None
    origin: str | None

    def __init__(
        self,
        *,
        secret: Secret | str,
        source: str,
        provider: str,
        version: str | None = None,
        obtained_at: datetime | None = None,
        expires_at: datetime | None = None,
        origin: str | None = None,
    ) -> None:
        secret = masked(secret, Secret)
        if not isinstance(secret, Secret):
            raise CredentialConfigurationError(
                f"{source}: the secret of a Credential must be a str, not {kind_of(secret)}."
            )
        if type(secret) is not Secret:  # a subclass could show its text
            secret = Secret(secret.reveal())
        for name, at in (("obtained_at", obtained_at), ("expires_at", expires_at)):
            moment = cast("object", at)
            if moment is not None and not (isinstance(moment, datetime) and moment.tzinfo):
                raise CredentialConfigurationError(
                    f"{source}: {name} of a Credential must be an aware datetime or None."
                )
        if origin is not None and not _is_api(origin):
            raise CredentialConfigurationError(
                f"{source}: origin of a Credential must be a URL such as "
                "https://api.vectorshift.ai, or None."
            )
        keep = object.__setattr__
        keep(self, "secret", secret)
        keep(self, "source", source)
        keep(self, "provider", provider)
        keep(self, "version", _named(version))
        keep(self, "obtained_at", obtained_at or datetime.now(timezone.utc))
        keep(self, "expires_at", expires_at)
        keep(self, "origin", origin)

    @property
    def fingerprint(self) -> str:
        """`#` and 8 hex digits that name the key without showing it."""
        return self.secret.fingerprint

    def __str__(self) -> str:
        version = f"@{self.version}" if self.version else ""
        return f"{self.source}{version} {self.fingerprint}"

    def __repr__(self) -> str:
        return (
            f"<Credential {self}>" if hasattr(self, "origin") else "<Credential>"
        )  # a debugger may show it in `__init__`

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


def _named(version: object) -> str | None:
    """Return a version as a printable text; None if it is neither text nor number."""
    if isinstance(version, int) and abs(version) < 2**64:
        return str(version)
    if not isinstance(version, str):
        return None
    text = version if version.isprintable() else ascii(version)[1:-1]
    return text[:200]


def _is_api(value: object) -> bool:
    from vectorshift._platform.urls import api_url  # few credentials have an origin

    try:
        return isinstance(value, str) and bool(api_url(value))
    except ValueError:
        return False


def same_source(one: Credential, other: Credential) -> bool:
    """Return whether both have the same provider and source: one is a rotation of the other."""
    return (one.provider, one.source) == (other.provider, other.source)


_sealed = Secret._without_text  # pyright: ignore[reportPrivateUsage]  # pickles of 1.0 call it

for _public in (Secret, Credential):  # pickles and tracebacks name the public path
    _public.__module__ = "vectorshift"


def parse_key(
    text: str,
    *,
    source: str,
    provider: str,
    blank: Literal["not found", "configuration"] = "configuration",
    field_setting: str | None = None,
) -> Secret | CredentialError:
    """Return the key in `text`, or the error that says why it is not a key.

    The error is returned, not raised: a traceback would have a frame that holds the text.

    Args:
        text: the text that was found; surrounding white space and a byte order mark are stripped.
        source: where it was found, for the message.
        provider: the name of the provider that found it.
        blank: the kind of error for an empty text.
        field_setting: the setting that picks a field; the error for a JSON object names it.
    """
    key = text.strip().removeprefix(_BYTE_ORDER_MARK).strip()
    if not key:
        kind = CredentialNotFoundError if blank == "not found" else CredentialConfigurationError
        return kind(f"{source} is set but empty.", source=source, provider=provider)
    flaw = _flaw(key, field_setting)
    if flaw is None:
        return Secret(key)
    return CredentialConfigurationError(
        f"{source} does not hold an API key: {flaw}", source=source, provider=provider
    )


def looks_odd(secret: Secret) -> str:
    """Return a sentence about a key that does not look like one, such as a placeholder; else "".

    Such a key is still used: the API decides. The sentence shows nothing of the key.
    """
    return oddity(secret.reveal())


_BYTE_ORDER_MARK: Final = chr(0xFEFF)
"""Windows begins texts with it: PowerShell's files, secrets of Azure DevOps."""
_KEY = re.compile(r"[!-~]+")
_QUOTES = ('"', "'", "`")
_CURLY = "\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb"
"""The quotation marks that word processors and chats use instead of straight ones."""


def _flaw(key: str, field_setting: str | None) -> str | None:
    """Return why `key` is not a key, without a character of it; None if it may be one."""
    if key[0] in "{[" and (flaw := _json_flaw(key, field_setting)):
        return flaw
    if key.startswith("map["):
        return (
            "it looks like a printed map, as Vault Agent writes it without a template. Give the "
            "agent a template that prints one field."
        )
    if len(key) > LONGEST_KEY:
        return f"it is longer than {LONGEST_KEY:,} characters."
    if flaw := unresolved(key):
        return flaw
    if len(key) > 1 and (key[0] == key[-1] in _QUOTES or (key[0] in _CURLY and key[-1] in _CURLY)):
        return "it is wrapped in quotation marks. Remove them."
    if key[:7].lower() == "bearer ":
        return "it begins with 'Bearer '. Give the key alone."
    if _KEY.fullmatch(key):
        return None
    if "\n" in key or "\r" in key:
        return "it holds a line break. Give the key alone, on one line."
    if not key.isascii():
        return "it holds a character outside ASCII. Copy the key again from Account > API Keys."
    for form, hint in _WITH_SPACES:
        if re.match(form, key):
            return hint
    return "it holds a space or a control character. Copy the key again from Account > API Keys."


_WITH_SPACES = (
    (r"\{\{", "it is a template that was not filled in. Give the key itself."),
    (r"#", "it is a comment. Give the key itself."),
    (
        r"(?i:authorization|(x-)?api-key)\s*:",
        "it is a whole header. Give the key alone.",
    ),
    (
        r"[\w.-]+\s*[:=]\s*\S+$",
        "it is a line with a name and a value. Give the value alone.",
    ),
    (
        r"!\w\S*\s",
        "it begins with an unresolved YAML tag. Give the key itself.",
    ),
    (
        r"(?i:export|setx?|setenv|declare|env|curl|cat|echo)\s|--?[a-z-]+\s|<\(",
        "it is a shell command that no shell ran. Give the key itself.",
    ),
    (
        r"(?i:token|basic|api-?key)\s",
        "it begins with a word that names the kind of key. Give the key alone.",
    ),
    (
        r"[\"'].*[\"']\s+#|\S+\s+#",
        "it ends with a comment, which counts as part of the key here. Give the key alone, "
        "without quotation marks.",
    ),
)
"""Hints for a text with spaces, which cannot be a key."""


def _json_flaw(key: str, field_setting: str | None) -> str | None:
    try:
        document: Any = json.loads(key, parse_int=float)  # int() rejects very long numbers
    except ValueError:
        return None
    except RecursionError:
        return "it is deeply nested JSON, not a key."
    if not isinstance(document, dict):
        return "it is a JSON array, not a key."
    names = field_names(cast("dict[str, Any]", document))
    pick = (
        f" Name the one that is the key with {field_setting}."
        if field_setting
        else " Give the key alone."
    )
    return f"it is a JSON object with the fields: {names}.{pick}"


def field_names(fields: Iterable[str]) -> str:
    """Return the names of a secret's fields for a message. One that may be a value is not shown."""
    every = sorted(fields)
    names = ", ".join([name for name in every if re.fullmatch(r"[\w.\-]{1,64}", name)][:20])
    return names or (f"{len(every)}, whose names are not shown" if every else "none")
