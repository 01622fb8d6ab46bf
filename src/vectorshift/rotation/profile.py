"""Write a key to a profile of `vectorshift auth login`, in its keyring or its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vectorshift._platform.urls import wrong_api
from vectorshift.credentials.values import Credential, Secret
from vectorshift.providers.profiles import DEFAULT, Profile, is_stored, read_profile, write_profile
from vectorshift.rotation.target import RotationError, RotationTarget

if TYPE_CHECKING:
    from vectorshift.settings import Settings

__all__ = ["ProfileTarget"]


class ProfileTarget(RotationTarget):
    """A profile.

    Args:
        settings: the settings that name the profile.
    """

    name = "login"

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._name = settings.profile or DEFAULT
        self._base_url = settings.base_url
        self.source = f"login:{self._name}"
        if not is_stored(self._name):
            raise RotationError(
                f"There is no profile {self._name}. To store a key: vectorshift auth login. A "
                "key that the official tool stored is changed with that tool."
            )
        self._profile: Profile | None = None
        self._old = Secret("")

    def read(self) -> Credential:
        """Read the profile."""
        self._profile, self._old = read_profile(self._name)
        self.where = self._profile.place
        return Credential(
            secret=self._old,
            source=self.source,
            provider=self.name,
            origin=self._profile.origin,
        )

    def check(self) -> None:
        """Reject a key for another API than the one that the checks call."""
        origin = None if self._profile is None else self._profile.origin
        if flaw := wrong_api(self.source, origin, self._base_url):
            raise RotationError(flaw)

    def write(self, key: Secret) -> None:
        """Store the key where the old one is."""
        before = self._old
        self.read()
        if self._profile is None or self._old != before:
            raise RotationError(
                f"{self.source}: somebody else changed it meanwhile. Look at what is there now, and"
                " run this again."
            )
        in_file = self._profile.keyring is None
        write_profile(self._name, key, origin=self._profile.origin, in_file=in_file)
