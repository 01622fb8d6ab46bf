"""A provider's description of itself, without contact and without a secret."""

from dataclasses import dataclass

__all__ = ["Description"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A provider's description of itself, made without contacting anything.

    Args:
        configured: whether it would be asked at all.
        source: the printable place that it looks at.
        detail: a sentence for a person, without a secret in it.
        locator: whether the source is a store that the user pointed at, so that a chain warns when
            it is passed over. A remote provider counts as one in any case; a local one says so
            here.
    """

    configured: bool
    source: str
    detail: str = ""
    locator: bool = False
