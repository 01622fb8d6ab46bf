"""`RotationTarget`: the place where a key is rotated."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, cast

from vectorshift.credentials.values import Secret
from vectorshift.errors import VectorshiftError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vectorshift.credentials.values import Credential

__all__ = ["RotationError", "RotationTarget", "revealed"]


class RotationError(VectorshiftError):
    """A rotation that is refused: nothing was written."""


def revealed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is sent to a store, with the secrets in it revealed.

    Call it in the arguments of the call that sends: a traceback may show locals.
    """
    shown: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, Secret):
            shown[name] = value.reveal()
        elif isinstance(value, dict):
            shown[name] = revealed(cast("dict[str, Any]", value))
        else:
            shown[name] = value
    return shown


class RotationTarget(ABC):
    """One place that holds a key. `read`, `check` and `write` are called in this order.

    Attributes:
        name: what `--source` calls it.
        source: the printable place, as the provider calls it.
        where: the server or the folder, for a person.
        undo: how to go back, or why that cannot be done.
        notes: what a person should know of the write.
    """

    name: ClassVar[str]
    source: str
    where: str = ""
    undo: str = (
        "No copy of the old key is kept. To go back, run vectorshift rotate with the old key while"
        " the API still takes it."
    )

    def __init__(self) -> None:
        self.notes: list[str] = []

    @abstractmethod
    def read(self) -> Credential:
        """Return the key that the store itself holds now, past every cache.

        Raises:
            CredentialError: it cannot be read.
            RotationError: this place cannot be written to.
        """

    def check(self) -> None:  # noqa: B027  # files have nothing to refuse here
        """Refuse what must not be written to, as far as the last `read` or the store tells it.

        Raises:
            RotationError: it must not.
            CredentialError: the store does not say.
        """

    @abstractmethod
    def write(self, key: Secret) -> str | None:
        """Write the key in the place of what `read` brought; return the new version.

        Raises:
            RotationError: somebody else wrote meanwhile, or the store refuses: nothing was written.
            CredentialStoreUnavailableError: the store did not answer: it may have written.
        """

    def previous(self) -> Credential:
        """Return the key of the version before, if the store keeps versions."""
        raise RotationError(f"{self.source} keeps no versions, so there is no --undo. {self.undo}")

    def restore(self, previous: Credential) -> str | None:
        """Put the key of the version before in force again; return the version."""
        return self.write(previous.secret)

    def _refused(self, why: str) -> RotationError:
        """Return a refusal that names this place."""
        return RotationError(f"{self.source} ({self.where}): {why}")

    def close(self) -> None:  # noqa: B027  # files have no connections
        """Close connections."""
