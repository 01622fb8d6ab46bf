"""The exit codes, which scripts rely on."""

from __future__ import annotations

from enum import IntEnum

from vectorshift.errors import (
    AuthenticationError,
    CredentialError,
    CredentialNotFoundError,
    PermissionDeniedError,
    VectorshiftError,
)

__all__ = ["Exit", "exit_of"]


class Exit(IntEnum):
    """An exit code. `docs/cli-exits.md` promises the numbers.

    Wrong usage is not 2, as it is elsewhere: a mistyped command must not look like a missing key.
    """

    GOOD = 0
    REFUSED = 1
    NONE = 2
    SOURCE_FAILED = 3
    API_FAILED = 4
    UNKNOWN = 5
    NOT_ROTATED = 6
    USAGE = 64
    INTERNAL = 70
    NOT_EXECUTABLE = 126
    NOT_THERE = 127
    INTERRUPTED = 130
    PIPE_GONE = 141

    @property
    def word(self) -> str:
        """The name in lower case, for JSON and plain text."""
        return self.name.lower()


def exit_of(error: VectorshiftError) -> Exit:
    """Return the exit code for the error of a look-up or a call."""
    # first, as a missing key is an AuthenticationError too
    if isinstance(error, CredentialNotFoundError):
        return Exit.NONE
    if isinstance(error, CredentialError):
        return Exit.SOURCE_FAILED
    if isinstance(error, AuthenticationError):
        return Exit.REFUSED
    return Exit.GOOD if isinstance(error, PermissionDeniedError) else Exit.API_FAILED
