"""What a request carries along about its key: the credential, what followed a 401, and the call it
is an attempt of.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final

from vectorshift.credentials.values import Credential, looks_odd, same_source
from vectorshift.transport.http import httpx

if TYPE_CHECKING:
    from vectorshift._platform.clock import Clock
    from vectorshift.credentials.resolving import BaseProvider, Result

__all__ = ["CALL", "CREDENTIAL", "REJECTION", "CallContext", "Rejection", "SourceMoved"]

CREDENTIAL: Final = "vectorshift.credential"
"""Where a request's extensions hold the `Credential` that was stamped on it."""
REJECTION: Final = "vectorshift.refusal"
"""Where a request's extensions hold the `Rejection` that followed a 401."""
CALL: Final = "vectorshift.call"
"""Where a request's extensions hold the `CallContext` that it is an attempt of, if it is one of
several.
"""


@dataclass(slots=True, kw_only=True)
class CallContext:
    """What the attempts of one call share: it does not change its organisation half-way.

    Args:
        provider: who is asked for each of them, whatever is configured meanwhile.
        clock: what time it is.
        ends: when the call has to be over, in seconds of the monotonic clock.
        credential: what the attempt before was sent with.
    """

    provider: BaseProvider
    clock: Clock
    ends: float = inf
    credential: Credential | None = None

    def left(self) -> float:
        """Return how many seconds are left for the call."""
        return self.ends - self.clock.monotonic()

    def bind(self, credential: Credential) -> None:
        """Note what the next attempt is sent with.

        Raises:
            SourceMoved: it is from another source than that of the attempt before.
        """
        before = self.credential
        if before is not None and not same_source(before, credential):
            raise SourceMoved(f"the key was {before}, and would be {credential} by now.")
        self.credential = credential


class SourceMoved(httpx.StreamError):
    """An attempt that is not sent, as it would be another source's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """What was done about a 401.

    Args:
        rejected: the credential that the server refused.
        answer: what its provider said when it was asked again.
        resent: whether the request was sent a second time, with that answer.
        goes_back: whether that answer is the key before the rejected one, which may be too new for
            the API.
        why_not: why it was not, where the answer is another key of the same source. unasked: the
            configured stores that nobody asked, as the source of the rejected credential comes
            before them.
    """

    rejected: Credential
    answer: Result
    resent: bool
    goes_back: bool = False
    why_not: str = ""
    shadowed_stores: tuple[str, ...] = ()

    def __str__(self) -> str:
        sent = self.answer if self.resent and isinstance(self.answer, Credential) else self.rejected
        said = " ".join(filter(None, (self._outcome(), looks_odd(sent.secret))))
        if not self.shadowed_stores:
            return said
        first, stores = self.rejected.source, ", ".join(self.shadowed_stores)
        return (
            f"{said} Configured, but not asked, as {first} comes first: {stores}. "
            f"If the key should come from there, take it out of {first}."
        )

    def _outcome(self) -> str:
        old, new = self.rejected, self.answer
        if not isinstance(new, Credential):
            return (
                f"The key {old} was refused, and its source could not be asked for a newer one:"
                f" {new.message}"
            )
        if new.secret == old.secret:
            return (
                f"The key {old} was refused, and is what {old.source} still held when it was last"
                " asked."
            )
        if self.goes_back:
            tried = "was refused, too" if self.resent else f"was not tried: {self.why_not}"
            return (
                f"The key {old} was refused: the API may not know it yet. The key before it,"
                f" {new.fingerprint}, {tried}"
            ).rstrip(".") + "."
        if self.resent:
            return (
                f"The key {old} was refused, and so was {new.fingerprint}, which {new.source} held"
                " by then."
            )
        if not same_source(old, new):
            return (
                f"The key {old} was refused. The next call will use another source, {new}; "
                "a request does not change its source half-way."
            )
        return (
            f"The key {old} was refused. {new.source} holds {new.fingerprint} now, but"
            f" {self.why_not}"
        )
