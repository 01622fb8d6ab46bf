"""`Rejection`: a 401, and what was done about it."""

from typing import Final, NamedTuple

from vectorshift._platform.pipes import was_read
from vectorshift.credentials.resolving import Result
from vectorshift.credentials.values import Credential, looks_odd, same_source

__all__ = ["REJECTION", "Rejection"]

REJECTION: Final = "vectorshift.refusal"
"""The key in `request.extensions` of the `Rejection` that followed a 401."""


class Rejection(NamedTuple):
    """A 401 and what followed it. Its `str` is the message for the user.

    Args:
        rejected: the credential that the server rejected.
        answer: the result of the provider when it was asked again.
        resent: whether the request was sent a second time, with that result.
        goes_back: whether that result is the key before the rejected one, which may be too new for
            the API.
        why_not: why another key of the same source was not sent.
        shadowed_stores: the configured stores that were not asked, because the source of the
            rejected credential comes before them.
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
        return (
            f"{said} Configured but not asked, because this source comes first:"
            f" {', '.join(self.shadowed_stores)}. If the key should come from there, remove it"
            " from this source."
        )

    def _outcome(self) -> str:
        old, new = self.rejected, self.answer
        place = old.source if old.version is None else f"{old.source}@{old.version}"
        refused = f"The API refuses the key {old.fingerprint} from {place}"
        if not isinstance(new, Credential):
            return f"{refused}. The source could not be read again: {new.message}"
        if new.secret == old.secret:
            if old.source.startswith("env:"):
                return (
                    f"{refused}. A running process keeps its environment: set the new key and"
                    " restart."
                )
            if was_read(old.source.partition(":")[2]):
                return f"{refused}. It is a named pipe, which is read once. Restart the process."
            return f"{refused}, which still had it at the last read."
        if self.goes_back:
            tried = "was rejected, too" if self.resent else f"was not tried: {self.why_not}"
            return (
                f"{refused}. It may not know the key yet. The key before it, {new.fingerprint},"
                f" {tried}"
            ).rstrip(".") + "."
        if self.resent:
            return f"{refused}, and {new.fingerprint}, which the source had by then."
        if not same_source(old, new):
            return (
                f"{refused}. The next call will use another source, {new}. A request does not"
                " change its source half-way."
            )
        return f"{refused}. The source holds {new.fingerprint} now, but {self.why_not}"
