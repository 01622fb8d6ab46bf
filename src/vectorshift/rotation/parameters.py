"""Write a key to AWS Parameter Store, which has no check-and-set."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from vectorshift.credentials.values import Credential, Secret
from vectorshift.errors import CredentialError
from vectorshift.providers.aws.locators import PARAMETERS
from vectorshift.providers.aws.provider import reader_of
from vectorshift.providers.aws.value import credential_in, text_in
from vectorshift.rotation.json_text import with_key
from vectorshift.rotation.target import RotationError, RotationTarget, revealed

if TYPE_CHECKING:
    from vectorshift.settings import Settings

__all__ = ["ParameterTarget"]

_KEPT: Final = ("Type", "KeyId", "Tier", "DataType", "AllowedPattern", "Description")


class ParameterTarget(RotationTarget):
    """A parameter of Parameter Store.

    Args:
        settings: those that lead to the parameter.
    """

    name = "parameter"

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        found = reader_of(settings)
        if found is None or found[1].store is not PARAMETERS:
            raise RotationError(
                "VECTORSHIFT_AWS_PARAMETER is not set: there is no parameter to write."
            )
        self._reader, self._given = found
        self.source = self._given.source
        self.where = f"region {self._reader.region or 'of the AWS profile'}"
        self._name, self._version = "", 0
        self._old, self._text = Secret(""), Secret("")
        self._kept: dict[str, Any] = {}

    def read(self) -> Credential:
        """Read the newest version from AWS itself."""
        response = self._call("get_parameter", "GetParameter", **self._given.query)
        answer = credential_in(response, self._given)
        if isinstance(answer, CredentialError):
            raise answer
        self._name = str(response["Parameter"]["Name"])  # AWS writes to no ARN
        self._version, self._old = int(response["Parameter"]["Version"]), answer.secret
        self._text = Secret(text_in(response) or "")
        return answer

    def check(self) -> None:
        """Refuse a pinned version, and learn what the new version has to keep."""
        behind = re.sub("^arn:(?:[^:]*:){4}", "", self._given.locator).partition(":")[2]
        if behind:
            raise self._refused(
                f"the name ends in :{behind}, which pins a version or a label, so that no process"
                " would read a new one. Leave that out of VECTORSHIFT_AWS_PARAMETER."
            )
        found: list[dict[str, Any]] = self._call(
            "describe_parameters",
            "DescribeParameters",
            ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": [self._name]}],
        )["Parameters"]
        if len(found) != 1:
            raise self._refused(
                "DescribeParameters does not list it, so that its type, KMS key, tier and policies"
                " are not known. A parameter of another account is rotated there."
            )
        self._kept = {each: found[0][each] for each in _KEPT if found[0].get(each)}
        if policies := found[0].get("Policies"):
            self._kept["Policies"] = f"[{','.join(each['PolicyText'] for each in policies)}]"
        self.notes.append(
            "Parameter Store has no check-and-set: versions were compared before and after."
        )

    def write(self, key: Secret) -> str:
        """Write a version, if the one that was read is still the newest."""
        text = with_key(self._text, self._given.field, self._old, key)
        if text is None:
            raise self._refused("the old key is not found in its text as it is written.")
        before = self._version
        self.read()
        if self._version != before:
            raise self._refused(
                f"somebody else wrote version {self._version} after {before} was read. Look at what"
                " is there now, and run this again."
            )
        query = {"Name": self._name, "Value": text, "Overwrite": True, **self._kept}
        version = int(self._call("put_parameter", "PutParameter", **query)["Version"])
        if version != before + 1:
            self.notes.append(
                f"Version {version - 1} was written in the same moment, by somebody else or by a"
                f" repeat of the request. Version {version}, which has the new key, is in force."
                " Look at what the other one holds."
            )
        return str(version)

    def close(self) -> None:
        """Close the connections."""
        self._reader.close()

    def _call(self, method: str, action: str, **query: Any) -> dict[str, Any]:
        answer = self._reader.call(method, revealed(query), action)
        if isinstance(answer, CredentialError):
            raise answer
        return answer

    def _refused(self, why: str) -> RotationError:
        return RotationError(f"{self.source} ({self.where}): {why}")
