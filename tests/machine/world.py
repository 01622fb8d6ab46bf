"""What a call can depend on, and what the texts in it say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from tests.machine.promises import NO_REFERENCES, ONE_KEY_A_FILE

NOT_FOUND, CONFIGURATION, UNAVAILABLE = "not found", "configuration", "unavailable"
DENIED, REVOKED = "denied", "revoked"
VARIABLE = "VECTORSHIFT_API_KEY"


class Key(NamedTuple):
    """A key and its source: what is rotated keeps the source."""

    text: str
    source: str


@dataclass
class World:
    """All but the process. `now` moves by more than a minute at a time."""

    now: float = 0
    api_key: str | None = None  # a key, or the name of a function
    environ: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    stores: dict[str, str | None] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)  # how a store fails, if it does
    functions: dict[str, str | None] = field(default_factory=dict)  # a key, None or a failure
    rejected: set[str] = field(default_factory=set)  # the API answers these with 401
    eager: bool = False  # whether a background refresh is over before a stale key is used


def parsed(text: str, source: str, *, blank: str = CONFIGURATION) -> Key | str:
    """A text where a key should be."""
    key = text.strip()
    wrong = " " in key or (NO_REFERENCES and key.startswith(("${", "op://")))
    return blank if not key else CONFIGURATION if wrong else Key(key, source)


def in_key_file(text: str | None, path: str) -> Key | str:
    """A file that is named, and holds a key and nothing else."""
    return CONFIGURATION if text is None else parsed(text, f"file:{path}")


def in_dotenv(text: str | None, path: str) -> Key | str:
    """A dotenv file that is named."""
    return CONFIGURATION if text is None else in_found_dotenv(text, path, named=True)


def in_found_dotenv(text: str | None, path: str, *, named: bool = False) -> Key | str:
    """A dotenv file that is merely found: it must not say where the key is sent."""
    if text is None:
        return NOT_FOUND
    keys = [line.split("=")[1] for line in text.split("\n") if line.startswith(f"{VARIABLE}=")]
    answer = parsed(keys[-1], f"dotenv:{path}", blank=NOT_FOUND) if keys else NOT_FOUND
    two = ONE_KEY_A_FILE and len(set(keys)) > 1
    leads_away = not named and "_BASE_URL" in text and isinstance(answer, Key)
    return CONFIGURATION if mistyped(text) or two or leads_away else answer


def mistyped(text: str) -> bool:
    """Whether a line is meant for the package, and is not NAME=value."""
    return any("VECTORSHIFT" in line and "=" not in line for line in text.split("\n"))
