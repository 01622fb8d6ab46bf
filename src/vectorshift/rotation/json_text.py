"""Change one field of a JSON text, and no other character."""

from __future__ import annotations

import json
import re
from typing import Any

from vectorshift.credentials.values import Secret

__all__ = ["with_key"]

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


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
    start = len(whole) - len(whole.lstrip(_BYTE_ORDER_MARK))
    for found in _STRING.finditer(whole, start):
        if json.loads(found[0], strict=False).strip() == old.reveal():
            changed = whole[: found.start()] + json.dumps(new.reveal()) + whole[found.end() :]
            if _parsed(changed) == wanted:
                return Secret(changed)
    return None


_BYTE_ORDER_MARK = chr(0xFEFF)


def _parsed(text: str) -> Any:
    """Parse a JSON text, with numbers as they are written."""
    text = text.removeprefix(_BYTE_ORDER_MARK)
    return json.loads(text, parse_int=str, parse_float=str)
