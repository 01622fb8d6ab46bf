"""Checks of a new key before it is written: that it works, and sees what the old one sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vectorshift.client import VectorShift
from vectorshift.errors import AuthenticationError, PermissionDeniedError
from vectorshift.rotation.target import RotationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vectorshift.credentials.values import Secret
    from vectorshift.settings import Settings

__all__ = ["Checks"]

_UNVERIFIED = (
    " So the two keys may be of different organisations. If you know that they are not, pass "
    "--unverified."
)


class Checks:
    """Checks keys with calls of the API.

    Args:
        settings: the settings for the API.
        pipelines: yields the ids of the pipelines that a client sees.
    """

    def __init__(
        self, settings: Settings, pipelines: Callable[[VectorShift], Iterable[str]]
    ) -> None:
        self.settings, self._pipelines = settings, pipelines

    def compare(self, old: Secret, new: Secret, *, unverified: bool) -> str:
        """Return one sentence that compares what both keys see.

        The API does not name the organisation of a key: the pipelines that both keys see are the
        only hint.

        Args:
            old: the key that is in the store.
            new: the key to write.
            unverified: whether to accept two keys that share no pipeline.

        Raises:
            RotationError: the new key is the same, does not work, or may be of another
                organisation.
            VectorshiftError: the API did not answer.
        """
        if new == old:
            raise RotationError(
                f"The new key is the same as the old one, {old}. Nothing was written."
            )
        try:
            seen = self._seen_by(new)
        except AuthenticationError:
            raise RotationError(f"The API refuses the new key, {new}. Make another.") from None
        try:
            before = self._seen_by(old)
        except AuthenticationError:
            before = f"The API refuses the old key, {old}, so the organisations cannot be compared."
            if not unverified:
                hint = " If the new key is of the same organisation: --unverified."
                raise RotationError(before + hint) from None
        doubt = next((each for each in (seen, before) if isinstance(each, str)), "")
        if isinstance(seen, frozenset) and isinstance(before, frozenset):
            shared = seen & before
            if shared and seen == before:
                return f"Both keys see the same {len(shared)} pipeline(s)."
            if shared:
                return (
                    f"The new key sees {len(shared)} of the {len(before)} pipelines that the old"
                    f" one sees, and {len(seen - before)} other(s)."
                )
            doubt = "The two keys see no pipeline in common."
            if not (seen or before):
                doubt = "Neither key sees a pipeline."
        if not unverified:
            raise RotationError(doubt + _UNVERIFIED)
        return f"{doubt} --unverified accepts that."

    def _seen_by(self, key: Secret) -> frozenset[str] | str:
        """Return the ids of the pipelines that a key sees, or why they are unknown."""
        with VectorShift(key, settings=self.settings) as client:
            try:
                return frozenset(self._pipelines(client))
            except PermissionDeniedError:
                return f"The API knows the key {key} but does not let it list pipelines."

    def make_one_call(self, key: Secret) -> None:
        """Make a call with a key.

        Raises:
            VectorshiftError: the API rejects the key, or did not answer.
        """
        with VectorShift(key, settings=self.settings) as client:
            try:
                next(iter(self._pipelines(client)), None)
            except PermissionDeniedError:
                return  # the key works, but lacks the scope
