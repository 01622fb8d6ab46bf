"""What a provider says of itself, without contact and without a secret."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, cast

from vectorshift.credentials.values import Credential, Secret
from vectorshift.errors import CredentialError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vectorshift.credentials.provider import CredentialProvider

__all__ = ["Description", "described", "without"]

_SHORTEST: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a provider can tell of itself without contacting anything.

    Args:
        configured: whether it would be asked at all.
        source: the printable place that it looks at.
        detail: a sentence for a person, without a secret in it.
        locator: whether the source is a store that the user pointed at, so that a chain warns when
            it is passed over. A remote provider counts as one in any case; a local one says so
            here.
    """

    configured: bool
    source: str
    detail: str = ""
    locator: bool = False


def described(provider: CredentialProvider) -> Description:
    """Return how an author's provider describes itself, or its name if it cannot do so.

    What it holds as a `Secret` is masked, in its own attributes or in those of a settings model; so
    is the key of a `Credential` that it keeps. A key that it holds as plain text, and has not
    answered with, cannot be told from other words.
    """
    try:
        description: object = provider.describe()
    except Exception:
        description = None
    if not isinstance(description, Description):
        return Description(configured=True, source=provider.name)
    known, source, detail = (
        _held(provider),
        cast("object", description.source),
        cast("object", description.detail),
    )
    return replace(
        description,
        source=without(known, source) if isinstance(source, str) else description.source,
        detail=without(known, detail) if isinstance(detail, str) else description.detail,
    )


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
    """Return the text to look for. One that is shorter is no secret, and may stand anywhere by
    chance.
    """
    try:
        plain = secret.reveal()
    except CredentialError:  # it came out of a pickle, and its text stayed behind
        return None
    return plain if len(plain) >= _SHORTEST else None
