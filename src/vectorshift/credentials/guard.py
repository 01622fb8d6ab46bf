"""Call an author's getter, and return only a credential or an error of ours.

Errors are returned, not raised: a raised error would hold the author's frames, and so secrets.
"""

from __future__ import annotations

import inspect
import re
import sys
import threading
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar, cast

from vectorshift._platform.background import arun_blocking, run_async
from vectorshift.credentials.provider import CredentialProvider, Description
from vectorshift.credentials.values import Credential, Secret, parse_key
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialError,
    CredentialRevokedError,
    CredentialStoreUnavailableError,
    MissingCredentialError,
    fresh_copy,
)
from vectorshift.errors.bodies import printable

if TYPE_CHECKING:
    from collections.abc import Iterable


__all__ = [
    "UNDESCRIBED",
    "Result",
    "aget_by_sync_getter",
    "aget_guarded",
    "class_of",
    "described",
    "get_by_async_getter",
    "get_guarded",
    "is_the_callers",
    "line_of",
    "no_thread",
    "unforeseen",
    "unwrap",
    "without",
]

T = TypeVar("T")

Result = Credential | CredentialError
"""A credential, or why there is none: returned, not raised."""


UNDESCRIBED: Final = "its describe()"
"""The first words of `detail` for a provider that cannot describe itself."""
_SHORTEST: Final = 4
_LONGEST: Final = 2_000
_LONGEST_NAME: Final = 100


def unwrap(result: T | CredentialError) -> T:
    """Return the result, or raise a fresh copy of the error."""
    if isinstance(result, CredentialError):
        raise fresh_copy(result)
    return result


# --- Calling an author's getter, sync or async, from sync or async code ---


def get_guarded(provider: CredentialProvider) -> Result:
    """Call the sync getter for a sync caller."""
    try:
        return _checked(provider.get_credential(), provider)
    except BaseException as error:
        if is_the_callers(error):
            raise
        return unforeseen(error, provider)


async def aget_guarded(provider: CredentialProvider) -> Result:
    """Call the async getter for an async caller. Cancellation is not caught."""
    try:
        return _checked(await provider.aget_credential(), provider)
    except Exception as error:
        return unforeseen(error, provider)


def get_by_async_getter(provider: CredentialProvider) -> Result:
    """Call the async getter for a sync caller, in a new event loop."""
    try:
        return cast("Result", run_async(lambda: aget_guarded(provider)))
    except CredentialStoreUnavailableError:
        return no_thread(provider)
    except BaseException as error:
        # a cancellation is an error of the getter: the task was made for it
        if is_the_callers(error):
            raise
        return unforeseen(error, provider)


async def aget_by_sync_getter(provider: CredentialProvider) -> Result:
    """Call the sync getter for an async caller, in a thread with the caller's context variables."""
    try:
        return await arun_blocking(lambda: get_guarded(provider))
    except CredentialStoreUnavailableError:
        return no_thread(provider)


def no_thread(provider: CredentialProvider) -> CredentialStoreUnavailableError:
    """Return the error for a provider that needs a thread when none can be started."""
    source = described(provider).source
    return CredentialStoreUnavailableError(
        f"{source} cannot be asked: no thread can be started (too many, or the process is ending).",
        source=source,
        provider=provider.name,
    )


def _checked(answer: object, provider: CredentialProvider) -> Result:
    """Return the answer if it is a credential whose key is valid in a header; else an error."""
    if not isinstance(answer, Credential):
        hint = ""
        if inspect.iscoroutine(answer):
            answer.close()
            hint = " Name an async getter aget_credential."
        return CredentialConfigurationError(
            f"{provider.name} answered with {class_of(answer)}, not a Credential.{hint}",
            source=described(provider).source,
            provider=provider.name,
        )
    key = parse_key(answer.secret.reveal(), source=answer.source, provider=answer.provider)
    if isinstance(key, CredentialError):
        return key
    expires = answer.expires_at
    if not provider.remote and expires is not None and expires <= datetime.now(timezone.utc):
        return CredentialRevokedError(
            f"{answer} had expired when it was read. Write a valid key there.",
            source=answer.source,
            provider=answer.provider,
        )
    source, name = (
        _in_one_line(without((key,), each)) for each in (answer.source, answer.provider)
    )
    # `parse_key` strips white space around the key
    if (source, name, key) == (answer.source, answer.provider, answer.secret):
        return answer
    return replace(answer, secret=key, source=source, provider=name)


# --- Unexpected exceptions: messages have their type and line, never their text ---


def unforeseen(
    error: BaseException, provider: CredentialProvider, home: str | None = None
) -> CredentialError:
    """Return the error for an exception of a provider, without the provider's frames.

    Args:
        error: the exception.
        provider: the provider that raised it.
        home: the file whose line the message names; by default, that of the provider's class.
    """
    from vectorshift.errors.libraries import is_outage

    own = getattr(sys.modules.get(type(provider).__module__), "__file__", None) or ""
    source, name = described(provider).source, provider.name
    if isinstance(error, CredentialError):
        bare = fresh_copy(error)
        bare.__cause__ = None
        bare.source = _in_one_line(bare.source or source)
        bare.provider = _in_one_line(bare.provider or name)
        if not isinstance(error, MissingCredentialError):  # its lines are ours
            bare.message = _in_one_line(" ".join(str(error).split()))
        return bare
    what = (
        f"{source}: {name} raised {class_of(error)} at"
        f" {line_of(error, own if home is None else home)}."
    )
    if is_outage(error):
        return CredentialStoreUnavailableError(
            f"{what} The store could not be reached.", source=source, provider=name
        )
    return CredentialConfigurationError(
        f"{what} Its text is withheld: it may hold a secret.", source=source, provider=name
    )


def is_the_callers(error: BaseException) -> bool:
    """Return whether an exception from a sync getter is for its caller: an interrupt, alone or in a
    group, or another exception that is not an error.

    A `SystemExit` may come from a SIGTERM handler, which interrupts the main thread anywhere. A
    `GeneratorExit` or `CancelledError` is the getter's own: those of the caller do not come here.
    """
    asyncio = sys.modules.get("asyncio")  # without this import, no task can be cancelled
    ended = (Exception, GeneratorExit, *((asyncio.CancelledError,) if asyncio else ()))
    if isinstance(error, ended):
        return False
    # of a BaseExceptionGroup, which Python 3.10 does not have
    subgroup = getattr(error, "subgroup", None)
    return subgroup is None or subgroup((KeyboardInterrupt, SystemExit)) is not None


def class_of(value: object) -> str:
    """Return the printable name of a value's class: code may build class names from any text."""
    return _in_one_line(type(value).__name__)[:_LONGEST_NAME]


def line_of(error: BaseException, home: str = "") -> str:
    """Return `file:line` of the deepest frame in the file `home`, else of the deepest frame."""
    if isinstance(error, SyntaxError) and (error.filename or "").endswith(
        ".py"
    ):  # no frame of it ever ran
        return f"{Path(error.filename or '').name}:{error.lineno}"
    deepest = "an unknown line"
    trace = error.__traceback__
    while trace is not None:
        place = trace.tb_frame.f_code.co_filename
        if place == home or not deepest.startswith(Path(home).name or "?"):
            deepest = f"{Path(place).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return deepest


# --- The description of a provider, without secrets ---


def described(provider: CredentialProvider) -> Description:
    """Return the description of an author's provider, or its name if `describe()` fails.

    Secrets in its attributes are redacted: each `Secret`, also in a settings model, and the key of
    each `Credential`. A plain-text key cannot be recognised.
    """
    try:
        description = cast("object", provider.describe())
    except Exception as error:
        return _undescribed(provider, f"raised {type(error).__name__} at {line_of(error)}")
    except SystemExit as error:  # a signal handler may raise it in the main thread
        if threading.current_thread() is threading.main_thread():
            raise
        return _undescribed(provider, f"raised SystemExit at {line_of(error)}")
    if not isinstance(description, Description):
        return _undescribed(provider, f"gave {type(description).__name__}, not a Description")
    known, source, detail = (
        _held(provider),
        cast("object", description.source),
        cast("object", description.detail),
    )
    return replace(
        description,
        source=_in_one_line(without(known, source))
        if isinstance(source, str)
        else description.source,
        detail=_in_one_line(without(known, detail))
        if isinstance(detail, str)
        else description.detail,
    )


def _undescribed(provider: CredentialProvider, why: str) -> Description:
    return Description(configured=True, source=provider.name, detail=f"{UNDESCRIBED} {why}")


def _in_one_line(value: object) -> str:
    """Return a text for a log line: control characters are replaced, and a long text is cut."""
    try:
        text = str(value)[:_LONGEST]
    except Exception:  # an author's own class, whose error may have any text
        text = type(value).__name__[:_LONGEST]
    return printable(text)


def _held(provider: CredentialProvider) -> list[Secret]:
    kept: list[object] = list(vars(provider).values())
    kept += [
        inner
        for each in kept
        if hasattr(type(each), "model_fields")
        for inner in vars(each).values()
    ]
    secrets = [each.secret if isinstance(each, Credential) else each for each in kept]
    return [each for each in secrets if isinstance(each, Secret)]


def without(secrets: Iterable[Secret], text: str) -> str:
    """Return the text with each of these secrets replaced by its fingerprint, in one pass."""
    known = {plain: secret.fingerprint for secret in secrets if (plain := _telling(secret))}
    if not known:
        return text
    longest_first = sorted(known, key=len, reverse=True)  # one may be the beginning of another
    return re.sub("|".join(map(re.escape, longest_first)), lambda found: known[found[0]], text)


def _telling(secret: Secret) -> str | None:
    """Return the text to replace, or None. A very short text may appear anywhere by chance."""
    try:
        plain = secret.reveal()
    except CredentialError:  # an unpickled secret has no text
        return None
    return plain if len(plain) >= _SHORTEST else None
