"""Write a key to AWS Secrets Manager: put a version, check it, then move `AWSCURRENT` to it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

from vectorshift.credentials.values import Credential, Secret
from vectorshift.errors import CredentialError, CredentialStoreUnavailableError
from vectorshift.providers.aws.arguments import CURRENT
from vectorshift.providers.aws.locators import SECRETS
from vectorshift.providers.aws.provider import reader_of
from vectorshift.providers.aws.value import credential_in, text_in
from vectorshift.rotation.json_text import with_key
from vectorshift.rotation.target import RotationError, RotationTarget, revealed

if TYPE_CHECKING:
    from vectorshift.settings import Settings

__all__ = ["SecretTarget"]

_STAGE: Final = "VECTORSHIFT_ROTATION"
"""The label of a version that is written and not yet checked. No process reads it."""
_PENDING: Final = "AWSPENDING"
_PREVIOUS: Final = "AWSPREVIOUS"


class SecretTarget(RotationTarget):
    """A secret of Secrets Manager.

    Args:
        settings: those that lead to the secret.
    """

    name = "aws"
    keeps_versions = True
    undo = "vectorshift rotate --source aws --undo"

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        found = reader_of(settings)
        if found is None or found[1].store is not SECRETS:
            raise RotationError(
                "VECTORSHIFT_AWS_SECRET_ID is not set: there is no secret to write."
            )
        self._reader, self._given = found
        self.source = self._given.source
        self.where = f"region {self._reader.region or 'of the AWS profile'}"
        self._version = ""
        self._old, self._text, self._is_binary = Secret(""), Secret(""), False

    def read(self) -> Credential:
        """Read the current version from AWS itself."""
        response = self._call("get_secret_value", "GetSecretValue", **self._given.query)
        credential = self._key_in(response)
        self._version, self._old = str(response["VersionId"]), credential.secret
        self._text = Secret(text_in(response) or "")
        self._is_binary = "SecretBinary" in response
        return credential

    def check(self) -> None:
        """Refuse a pinned version, and a secret that something else rotates."""
        if self._given.version_id or self._given.version_stage != CURRENT:
            raise self._refused(
                "a version is pinned, so that no process would read a new one. Unset"
                " VECTORSHIFT_AWS_VERSION_ID and VECTORSHIFT_AWS_VERSION_STAGE."
            )
        told = self._described()
        if told.get("RotationEnabled") or told.get("OwningService"):
            raise self._refused(
                "AWS rotates this secret by itself, and would undo a key that is written here."
                " Change the rotation's function, or turn it off: aws secretsmanager"
                " cancel-rotate-secret"
            )
        pending = _holder(told, _PENDING)
        if pending not in (None, self._version):
            raise self._refused(
                f"another rotation is under way: version {pending} is {_PENDING}. Let it end, or"
                " remove that label."
            )

    def write(self, key: Secret) -> str:
        """Put a version with a label of ours, read it back, then move `AWSCURRENT` to it."""
        text = with_key(self._text, self._given.field, self._old, key)
        if text is None:
            raise self._refused("the old key is not found in its text as it is written.")
        version = str(uuid.uuid4())
        self._call(
            "put_secret_value",
            "PutSecretValue",
            ClientRequestToken=version,  # a repeated request writes no second version
            VersionStages=[_STAGE],
            **{"SecretBinary" if self._is_binary else "SecretString": text},
        )
        if self._key_of(version).secret != key:
            raise self._refused(f"version {version} does not hold what was written to it.")
        self._make_current(version)
        return version

    def previous(self) -> Credential:
        """Return the key of the version that was current before."""
        version = _holder(self._described(), _PREVIOUS)
        if version is None:
            raise self._refused(f"no version is {_PREVIOUS}: there is nothing to go back to.")
        return self._key_of(version)

    def restore(self, previous: Credential) -> str:
        """Move `AWSCURRENT` back to a version that is there."""
        version = str(previous.version)
        self._make_current(version)
        return version

    def close(self) -> None:
        """Close the connections."""
        self._reader.close()

    def _make_current(self, version: str) -> None:
        move = ("update_secret_version_stage", "UpdateSecretVersionStage")
        try:
            self._call(
                *move,
                VersionStage=CURRENT,
                MoveToVersionId=version,
                RemoveFromVersionId=self._version,  # AWS refuses if it is not current any more
            )
        except CredentialStoreUnavailableError:
            raise
        except CredentialError:
            current = _holder(self._described(), CURRENT)
            if current == self._version:
                raise
            if current != version:  # else this was the repeat of a move whose answer was lost
                raise self._refused(
                    f"somebody else made version {current} current after {self._version} was read."
                    " Look at what is there now, and run this again."
                ) from None
        labels = self._described()["VersionIdsToStages"].get(version, [])
        if _STAGE in labels:
            self._call(*move, VersionStage=_STAGE, RemoveFromVersionId=version)

    def _described(self) -> dict[str, Any]:
        return self._call("describe_secret", "DescribeSecret")

    def _key_of(self, version: str) -> Credential:
        return self._key_in(self._call("get_secret_value", "GetSecretValue", VersionId=version))

    def _key_in(self, response: dict[str, Any]) -> Credential:
        answer = credential_in(response, self._given)
        if isinstance(answer, CredentialError):
            raise answer
        return answer

    def _call(self, method: str, action: str, **query: Any) -> dict[str, Any]:
        query["SecretId"] = self._given.locator
        answer = self._reader.call(method, revealed(query), action)
        if isinstance(answer, CredentialError):
            raise answer
        return answer

    def _refused(self, why: str) -> RotationError:
        return RotationError(f"{self.source} ({self.where}): {why}")


def _holder(told: dict[str, Any], stage: str) -> str | None:
    """Return the version that has a label."""
    versions: dict[str, list[str]] = told.get("VersionIdsToStages", {})
    return next((version for version, labels in versions.items() if stage in labels), None)
