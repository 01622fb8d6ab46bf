"""Write a key to AWS Parameter Store, which has no check-and-set."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from vectorshift.credentials.values import Credential, Secret
from vectorshift.providers.aws.locators import PARAMETERS
from vectorshift.rotation.aws import AwsTarget

if TYPE_CHECKING:
    from vectorshift.settings import Settings

__all__ = ["ParameterTarget"]

_KEPT: Final = ("Type", "KeyId", "Tier", "DataType", "AllowedPattern", "Description")


class ParameterTarget(AwsTarget):
    """A parameter of Parameter Store.

    Args:
        settings: the settings that name the parameter.
    """

    name = "parameter"
    store = PARAMETERS

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._name, self._version = "", 0
        self._kept: dict[str, Any] = {}

    def read(self) -> Credential:
        """Read the newest version directly from AWS."""
        response = self._call("get_parameter", **self._given.query)
        self._name = str(response["Parameter"]["Name"])  # AWS does not accept an ARN for a write
        self._version = int(response["Parameter"]["Version"])
        return self._take(response)

    def check(self) -> None:
        """Reject a pinned version, and look up the properties that the new version must keep."""
        behind = re.sub("^arn:(?:[^:]*:){4}", "", self._given.locator).partition(":")[2]
        if behind:
            raise self._refused(
                f"the name ends in :{behind}, which pins a version or a label, so no process "
                "would read a new one. Remove it from VECTORSHIFT_AWS_PARAMETER."
            )
        found = self._described()
        if found is None:
            raise self._refused(
                "DescribeParameters does not list it, so its type, KMS key, tier and policies "
                "are unknown. Rotate a parameter of another account in that account."
            )
        self._kept = {each: found[each] for each in _KEPT if found.get(each)}
        if policies := found.get("Policies"):
            self._kept["Policies"] = f"[{','.join(each['PolicyText'] for each in policies)}]"
        self.notes.append(
            "Parameter Store has no check-and-set: versions were compared before and after."
        )

    def write(self, key: Secret) -> str:
        """Write a new version, if the one that was read is still the newest."""
        text = self._changed(key)
        before = self._version
        self.read()
        if self._version != before:
            raise self._refused(
                f"somebody else wrote version {self._version} after {before} was read. Look at what"
                " is there now, and run this again."
            )
        query = {"Name": self._name, "Value": text, "Overwrite": True, **self._kept}
        version = int(self._call("put_parameter", **query)["Version"])
        if version != before + 1:
            self.notes.append(
                f"Version {version - 1} was written at the same time, by somebody else or by a "
                f"repeat of the request. Version {version}, which has the new key, is in force. "
                "Look at the other one."
            )
        return str(version)

    def _described(self) -> dict[str, Any] | None:
        filters = [{"Key": "Name", "Option": "Equals", "Values": [self._name]}]
        query: dict[str, Any] = {"ParameterFilters": filters}
        while True:
            page = self._call("describe_parameters", **query)
            found: list[dict[str, Any]] = page["Parameters"]
            if found or not page.get("NextToken"):  # AWS may send empty pages first
                return found[0] if found else None
            query["NextToken"] = page["NextToken"]
