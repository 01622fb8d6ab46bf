"""Write a key to AWS Secrets Manager: put a version, check it, then move `AWSCURRENT` to it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

from vectorshift.credentials.values import Credential, Secret
from vectorshift.errors import CredentialError, CredentialStoreUnavailableError
from vectorshift.providers.aws.arguments import CURRENT
from vectorshift.providers.aws.locators import SECRETS
from vectorshift.rotation.aws import AwsTarget

if TYPE_CHECKING:
    from vectorshift.settings import Settings

__all__ = ["SecretTarget"]

_STAGE: Final = "VECTORSHIFT_ROTATION"
"""The label of a version that was written, but not yet checked. No process reads it."""
_PENDING: Final = "AWSPENDING"
_PREVIOUS: Final = "AWSPREVIOUS"


class SecretTarget(AwsTarget):
    """A secret of Secrets Manager.

    Args:
        settings: the settings that name the secret.
    """

    name = "aws"
    store = SECRETS
    undo = "vectorshift rotate --source aws --undo"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._version, self._is_binary = "", False

    def read(self) -> Credential:
        """Read the current version directly from AWS."""
        response = self._call("get_secret_value", **self._given.query)
        self._version = str(response["VersionId"])
        self._is_binary = "SecretBinary" in response
        return self._take(response)

    def check(self) -> None:
        """Reject a pinned version, and a secret that something else rotates."""
        if self._given.version_id or self._given.version_stage != CURRENT:
            raise self._refused(
                "a version is pinned, so no process would read a new one. Unset "
                "VECTORSHIFT_AWS_VERSION_ID and VECTORSHIFT_AWS_VERSION_STAGE."
            )
        told = self._described()
        if told.get("RotationEnabled") or told.get("OwningService"):
            raise self._refused(
                "AWS rotates this secret and would overwrite a key that is written here. Change "
                "the rotation's function, or turn rotation off: aws secretsmanager "
                "cancel-rotate-secret"
            )
        pending = _holder(told, _PENDING)
        if pending not in (None, self._version):
            raise self._refused(
                f"another rotation is running: version {pending} is {_PENDING}. Let it end, or "
                "remove that label."
            )

    def write(self, key: Secret) -> str:
        """Put a version with our own label, read it back, then move `AWSCURRENT` to it."""
        text = self._changed(key)
        version = str(uuid.uuid4())
        self._call(
            "put_secret_value",
            ClientRequestToken=version,  # a repeated request writes no second version
            VersionStages=[_STAGE],
            **{"SecretBinary" if self._is_binary else "SecretString": text},
        )
        if self._key_of(version).secret != key:
            raise self._refused(f"version {version} does not have what was written to it.")
        self._make_current(version)
        return version

    def previous(self) -> Credential:
        """Return the key of the previous version."""
        version = _holder(self._described(), _PREVIOUS)
        if version is None:
            raise self._refused(f"no version is {_PREVIOUS}: there is nothing to go back to.")
        return self._key_of(version)

    def restore(self, previous: Credential) -> str:
        """Move `AWSCURRENT` back to an existing version."""
        version = str(previous.version)
        self._make_current(version)
        return version

    def _make_current(self, version: str) -> None:
        move = "update_secret_version_stage"
        try:
            self._call(
                move,
                VersionStage=CURRENT,
                MoveToVersionId=version,
                RemoveFromVersionId=self._version,  # AWS refuses if it is no longer current
            )
        except CredentialStoreUnavailableError:
            raise
        except CredentialError:
            current = _holder(self._described(), CURRENT)
            if current == self._version:
                raise
            if current != version:  # if equal, this was a retry after a lost answer
                raise self._refused(
                    f"somebody else made version {current} current after {self._version} was read."
                    " Look at what is there now, and run this again."
                ) from None
        labels = self._described()["VersionIdsToStages"].get(version, [])
        if _STAGE in labels:
            self._call(move, VersionStage=_STAGE, RemoveFromVersionId=version)

    def _described(self) -> dict[str, Any]:
        return self._call("describe_secret")

    def _key_of(self, version: str) -> Credential:
        return self._key_in(self._call("get_secret_value", VersionId=version))

    def _call(self, method: str, **query: Any) -> dict[str, Any]:
        return super()._call(method, **{"SecretId": self._given.locator, **query})


def _holder(told: dict[str, Any], stage: str) -> str | None:
    """Return the version with a label, or None."""
    versions: dict[str, list[str]] = told.get("VersionIdsToStages", {})
    return next((version for version, labels in versions.items() if stage in labels), None)
