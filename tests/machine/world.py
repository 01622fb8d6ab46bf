"""What a call can depend on, and what the texts in it say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

NOT_FOUND, CONFIGURATION, UNAVAILABLE = "not found", "configuration", "unavailable"
DENIED, REVOKED = "denied", "revoked"
REMOVED = "removed"  # not found where a key was before: no other source answers
VARIABLE = "VECTORSHIFT_API_KEY"
NO_KEYS = (
    *("vs bad", "${NAME}", "op://vault/item/field", "{{ key }}", "<your key>", "$(cat key)"),
    *("arn:aws:secretsmanager:eu-west-1:1:secret:vs", "VECTORSHIFT_API_KEY=vs-1", "%KEY%"),
)


class Key(NamedTuple):
    """A key and its source: what is rotated keeps the source."""

    text: str
    source: str


@dataclass
class World:
    """All but the process. `now` moves by more than a minute at a time."""

    now: float = 0
    api_key: str | None = None  # a key, or the name of a function
    environ: dict[str, str | None] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    stores: dict[str, str | None] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)  # how a store fails, if it does
    functions: dict[str, str | None] = field(default_factory=dict)  # a key, None or a failure
    rejected: set[str] = field(default_factory=set)  # the API answers these with 401
    late: set[str] = field(default_factory=set)  # found files that had no key in time
    resets: int = 0
    eager: bool = False  # whether a background refresh is over before a stale key is used

    def stored(self, store: str) -> Key | str:
        """What a store says now."""
        text = self.stores[store]
        found = NOT_FOUND if text is None else key_in(text, store)
        return self.broken.get(store) or found


def key_in(text: str, source: str, *, blank: str = CONFIGURATION) -> Key | str:
    """A text where a key should be."""
    key = text.strip()
    return blank if not key else CONFIGURATION if key in NO_KEYS else Key(key, source)
