"""`RotationTarget`: a place where a key can be replaced."""

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
    """A rotation was refused: nothing was written."""


def revealed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields with their secrets revealed, to be sent to a store.

    Call it only inside the arguments of the sending call: a traceback may show locals.
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
    """A place that holds a key. Call `read`, `check` and `write` in this order.

    Attributes:
        name: its name for `--source`.
        source: the printable source, as in the provider.
        where: the server or the folder, for a person.
        undo: how to go back, or why that is impossible.
        notes: sentences for the user about the write.
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
        """Return the key that the store holds now, without any cache.

        Raises:
            CredentialError: it cannot be read.
            RotationError: this place cannot be written to.
        """

    def check(self) -> None:  # noqa: B027  # files have nothing to check here
        """Raise if the last `read` or the store shows that this must not be written to.

        Raises:
            RotationError: it must not be written to.
            CredentialError: the store does not say.
        """

    @abstractmethod
    def write(self, key: Secret) -> str | None:
        """Replace the key that was read; return the new version.

        Raises:
            RotationError: somebody else wrote meanwhile, or the store refused. Nothing was written.
            CredentialStoreUnavailableError: the store did not answer. It may have written.
        """

    def previous(self) -> Credential:
        """Return the key of the previous version, if the store keeps versions."""
        raise RotationError(f"{self.source} keeps no versions, so there is no --undo. {self.undo}")

    def restore(self, previous: Credential) -> str | None:
        """Make the key of the previous version current again; return the version."""
        return self.write(previous.secret)

    def _refused(self, why: str) -> RotationError:
        """Return an error that names this place."""
        return RotationError(f"{self.source} ({self.where}): {why}")

    def close(self) -> None:  # noqa: B027  # files have no connections
        """Close connections."""
