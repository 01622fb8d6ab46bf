"""Write to one of AWS's stores, with the connections and messages of the provider."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, ClassVar

from vectorshift.credentials.guard import unwrap
from vectorshift.credentials.values import Credential, Secret
from vectorshift.providers.aws.provider import reader_of
from vectorshift.providers.aws.value import credential_in, text_in
from vectorshift.rotation.target import RotationError, RotationTarget, revealed

if TYPE_CHECKING:
    from vectorshift.providers.aws.locators import Store
    from vectorshift.settings import Settings

__all__ = ["AwsTarget", "with_key"]

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_BYTE_ORDER_MARK = "\ufeff"


class AwsTarget(RotationTarget):
    """An entry of a store.

    Args:
        settings: the settings that name the entry.
    """

    store: ClassVar[Store]

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        found = reader_of(settings)
        if found is None or found[1].store is not self.store:
            raise RotationError(
                f"{self.store.setting} is not set: there is no {self.store.thing} to write."
            )
        self._reader, self._given = found
        self.source = self._given.source
        self.where = f"region {self._reader.region or 'of the AWS profile'}"
        self._old, self._text = Secret(""), Secret("")

    def close(self) -> None:
        """Close the connections."""
        self._reader.close()

    def _take(self, response: dict[str, Any]) -> Credential:
        """Keep the text that was read, for `_changed`."""
        credential = self._key_in(response)
        self._old, self._text = credential.secret, Secret(text_in(response) or "")
        return credential

    def _changed(self, key: Secret) -> Secret:
        """Return the text that was read, with the new key in it."""
        text = with_key(self._text, self._given.field, self._old, key)
        if text is None:
            raise self._refused("its text does not have the old key in plain form.")
        return text

    def _key_in(self, response: dict[str, Any]) -> Credential:
        return unwrap(credential_in(response, self._given))

    def _call(self, method: str, **query: Any) -> dict[str, Any]:
        """Call a method of boto3's client. Only boto3 sees the secrets in the query."""
        action = method.title().replace("_", "")
        return unwrap(self._reader.call(method, revealed(query), action))


def with_key(text: Secret, field: str | None, old: Secret, new: Secret) -> Secret | None:
    """Return a stored text with the new key instead of the old one; None if that fails.

    All other text stays as it is: order, white space, numbers.

    Args:
        text: the whole text.
        field: the field that is the key, as `VECTORSHIFT_AWS_FIELD` names it; None if the text is
            the key.
        old: the key in it.
        new: the key to write.
    """
    whole = text.reveal()
    if field is None:
        return Secret(whole.replace(old.reveal(), new.reveal())) if old.reveal() in whole else None
    wanted = _parsed(whole)
    path = [field] if field in wanted else field.split(".")
    holder = wanted
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = new.reveal()
    for found in _STRING.finditer(whole):
        if json.loads(found[0], strict=False).strip() == old.reveal():
            changed = whole[: found.start()] + json.dumps(new.reveal()) + whole[found.end() :]
            if _parsed(changed) == wanted:
                return Secret(changed)
    return None


def _parsed(text: str) -> Any:
    """Parse a JSON text, with numbers as they are written."""
    text = text.removeprefix(_BYTE_ORDER_MARK)
    return json.loads(text, parse_int=str, parse_float=str)
