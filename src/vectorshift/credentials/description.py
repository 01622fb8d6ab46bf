"""A provider's description of itself, without contact and without a secret."""

from dataclasses import dataclass

__all__ = ["Description"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A provider's description of itself, made without contacting anything.

    Args:
        configured: whether it is configured; if not, it is not asked.
        source: the printable source that it reads.
        detail: a sentence for a person, without a secret in it.
        locator: whether the user configured it as a store, so that a chain warns when it is passed
            over. A remote provider always counts as one.
    """

    configured: bool
    source: str
    detail: str = ""
    locator: bool = False
